/* event.h: an OpenCL event: how it went, and whose it is. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_EVENT_H
#define CLKV_DEVICE_EVENT_H

#include <clkv/device.h>

/* Takes a pointer to NULL, and leaves one. */
void clkv_event_release(cl_event *event);

/* Gives the caller an event that we keep. DEVICE: *out is untouched. */
clkv_status clkv_event_share(cl_event event, cl_event *out);

/* CL_COMPLETE, a positive number while it is not, or a negative one: the command failed. */
cl_int clkv_event_status(cl_event event);

#endif
