/* clkv/clkv.h: everything. Start reading at cache.h (the device side) or manager.h (the host side alone).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CLKV_H
#define CLKV_CLKV_H

#include <clkv/config.h>

#include <clkv/batch.h>
#include <clkv/entries.h>
#include <clkv/log.h>
#include <clkv/manager.h>
#include <clkv/memory.h>
#include <clkv/pool.h>
#include <clkv/prefix.h>
#include <clkv/ref.h>
#include <clkv/sequence.h>
#include <clkv/stats.h>
#include <clkv/status.h>
#include <clkv/version.h>

#if CLKV_HAVE_OPENCL
#include <clkv/append.h>
#include <clkv/attention.h>
#include <clkv/cache.h>
#include <clkv/copy.h>
#include <clkv/device.h>
#include <clkv/gather.h>
#include <clkv/tensor.h>
#endif

#endif
