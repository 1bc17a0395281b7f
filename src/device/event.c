/* event.c: see event.h. SPDX-License-Identifier: Apache-2.0 */
#include "device/event.h"

#include "core/error.h"
#include "device/process.h"

void clkv_event_release(cl_event *event)
{
    if (*event && !clkv_process_forked()) clReleaseEvent(*event);
    *event = NULL;
}

clkv_status clkv_event_share(cl_event event, cl_event *out)
{
    const cl_int err = clRetainEvent(event);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clRetainEvent", "an event for the caller");
    *out = event;
    return CLKV_OK;
}

cl_int clkv_event_status(cl_event event)
{
    cl_int status = CL_QUEUED;
    const cl_int err = clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    return err == CL_SUCCESS ? status : CL_QUEUED;
}
