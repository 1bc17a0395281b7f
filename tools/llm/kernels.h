/* kernels.h: the text of the runtime's kernels, embedded by the build. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_KERNELS_H
#define CLKV_TOOLS_LLM_KERNELS_H

extern const char llm_text_matmul[], llm_text_layers[], llm_text_sample[];

#endif
