/* event.h: the status and the references of an OpenCL event. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_EVENT_H
#define CLKV_DEVICE_EVENT_H

#include <clkv/device.h>

/* Releases *event, which may be NULL, and sets it to NULL. */
void clkv_event_release(cl_event *event);

/* Retains an event for the caller. DEVICE: *out is not changed. */
clkv_status clkv_event_share(cl_event event, cl_event *out);

/* CL_COMPLETE; a positive number while the command is not complete; a negative number if the command failed. */
cl_int clkv_event_status(cl_event event);

#endif
