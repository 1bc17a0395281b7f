/* model_check.c: the invariants of model.h, held against a model: for tests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "dequant.h"

#include <string.h>

/* Whether a tensor is there, lies in the file and has this shape. */
static int holds(const llm_model *m, const llm_tensor *t, uint64_t rows, uint64_t cols)
{
    const llm_type_facts *f = llm_type_find(t->type);
    const unsigned char *p = t->data, *end = m->file.data + m->file.bytes;
    return p && f && t->rows == rows && t->cols == cols && cols % f->elements == 0 && p >= m->file.data &&
           p <= end && llm_tensor_bytes(t) <= (uint64_t)(end - p);
}

static int absent_or(const llm_model *m, const llm_tensor *t, uint64_t rows, uint64_t cols)
{
    return !t->data || holds(m, t, rows, cols);
}

static const char *check_layer(const llm_model *m, const llm_layer *l)
{
    const llm_layer *first = m->layers;
    const uint64_t q = (uint64_t)m->heads * m->head_dim, k = (uint64_t)m->kv_heads * m->head_dim;
    const uint64_t v = (uint64_t)m->kv_heads * m->head_dim_v, o = (uint64_t)m->heads * m->head_dim_v;
    if (!holds(m, &l->attn_norm, 1, m->dim) || !holds(m, &l->ffn_norm, 1, m->dim)) return "a layer's norms";
    if (!holds(m, &l->wq, q, m->dim) || !holds(m, &l->wk, k, m->dim) || !holds(m, &l->wv, v, m->dim) ||
        !holds(m, &l->wo, m->dim, o))
        return "a layer's attention";
    if (!absent_or(m, &l->bq, 1, q) || !absent_or(m, &l->bk, 1, k) || !absent_or(m, &l->bv, 1, v))
        return "a layer's biases";
    if (!absent_or(m, &l->q_norm, 1, m->head_dim) || !absent_or(m, &l->k_norm, 1, m->head_dim))
        return "a layer's head norms";
    if (!holds(m, &l->w_gate, m->hidden_dim, m->dim) || !holds(m, &l->w_up, m->hidden_dim, m->dim) ||
        !holds(m, &l->w_down, m->dim, m->hidden_dim))
        return "a layer's feed-forward";
    if (!l->bq.data != !first->bq.data || !l->bk.data != !first->bk.data || !l->bv.data != !first->bv.data ||
        !l->q_norm.data != !first->q_norm.data || !l->k_norm.data != !first->k_norm.data)
        return "layers are not alike";
    return NULL;
}

static int known_id(const llm_tokenizer_data *tok, int32_t id)
{
    return id >= -1 && (id < 0 || (uint32_t)id < tok->n);
}

static const char *check_vocab(const llm_model *m)
{
    const llm_tokenizer_data *tok = &m->tok;
    if (tok->kind == LLM_VOCAB_NONE)
        return tok->n || tok->pieces || tok->text ? "something in no vocabulary" : NULL;
    if (tok->n != m->vocab || !tok->pieces || !tok->piece_bytes || !tok->types) return "the vocabulary's arrays";
    if ((tok->kind == LLM_VOCAB_SENTENCEPIECE) != (tok->scores != NULL)) return "the vocabulary's scores";
    for (uint32_t i = 0; i < tok->n; i++) {
        if (tok->pieces[i][tok->piece_bytes[i]]) return "a piece without its 0";
        if (tok->types[i] < LLM_PIECE_NORMAL || tok->types[i] > LLM_PIECE_BYTE) return "a piece's type";
    }
    for (uint32_t i = 0; i < tok->n_merges; i++)
        if (!strchr(tok->merges[i] + 1, ' ')) return "a merge without a space";
    if (!known_id(tok, tok->bos) || !known_id(tok, tok->eos) || !known_id(tok, tok->eot) ||
        !known_id(tok, tok->unk))
        return "a special token's id";
    return tok->add_bos && tok->bos < 0 ? "BOS is added and there is none" : NULL;
}

const char *llm_model_check(const llm_model *m)
{
    if (!m->dim || !m->hidden_dim || !m->n_layers || !m->heads || !m->kv_heads || !m->head_dim || !m->head_dim_v ||
        !m->vocab || !m->context)
        return "a size is 0";
    if (m->heads % m->kv_heads) return "heads is no multiple of kv_heads";
    if (m->rope_dims == 0 || m->rope_dims % 2 || m->rope_dims > m->head_dim) return "rope_dims";
    if (!(m->rope_base > 0) || !(m->rope_scale > 0) || !(m->rms_eps >= 0)) return "a real number";
    if (!holds(m, &m->embedding, m->vocab, m->dim) || !holds(m, &m->final_norm, 1, m->dim) ||
        !absent_or(m, &m->output, m->vocab, m->dim) || !absent_or(m, &m->rope_factors, 1, m->rope_dims / 2))
        return "a tensor outside the layers";
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const char *broken = check_layer(m, &m->layers[i]);
        if (broken) return broken;
    }
    return check_vocab(m);
}
