/* llm_dump.c FILE TENSOR: a tensor of a model as our reader has it, as raw floats on stdout: "embedding",
 * "final_norm", or "LAYER.wq" and so on. For test_package.py. SPDX-License-Identifier: Apache-2.0 */
#include "model_file.h"
#include "os/descriptor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const llm_tensor *find(const llm_model *m, const char *name)
{
    static const struct {
        const char *name;
        size_t at;
    } parts[] = {
        {"wq", offsetof(llm_layer, wq)},
        {"wk", offsetof(llm_layer, wk)},
        {"wv", offsetof(llm_layer, wv)},
        {"wo", offsetof(llm_layer, wo)},
        {"w_gate", offsetof(llm_layer, w_gate)},
        {"w_up", offsetof(llm_layer, w_up)},
        {"w_down", offsetof(llm_layer, w_down)},
        {"attn_norm", offsetof(llm_layer, attn_norm)},
        {"ffn_norm", offsetof(llm_layer, ffn_norm)},
    };
    char *end;
    if (!strcmp(name, "embedding")) return &m->embedding;
    if (!strcmp(name, "final_norm")) return &m->final_norm;
    const unsigned long layer = strtoul(name, &end, 10);
    if (*end != '.' || layer >= m->n_layers) return NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strcmp(end + 1, parts[i].name))
            return (const llm_tensor *)(const void *)((const char *)&m->layers[layer] + parts[i].at);
    return NULL;
}

int main(int argc, char **argv)
{
    llm_model *m = NULL;
    char why[WHY_BYTES];
    int result = 2;
    clkv_descriptor_begin();
    if (argc != 3) return 2;
    if (llm_model_open(&m, argv[1], NULL, why)) {
        fprintf(stderr, "%s\n", why);
        return 2;
    }
    const char *broken = llm_model_check(m);
    const llm_tensor *t = find(m, argv[2]);
    float *row = t ? malloc(t->cols * sizeof *row) : NULL;
    if (broken || !row) {
        fprintf(stderr, "%s\n", broken ? broken : "no such tensor");
    } else {
        for (uint64_t i = 0; i < t->rows; i++) {
            llm_tensor_row(t, i, row);
            fwrite(row, sizeof *row, t->cols, stdout);
        }
        result = 0;
    }
    free(row);
    llm_model_close(&m);
    return result;
}
