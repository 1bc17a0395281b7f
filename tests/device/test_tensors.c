/* test_tensors.c: what append, attention and gather refuse of a tensor, with the tensor's name in the text; and what
 * they take: sub-buffers, buffers for one direction only, neighbours in one buffer. SPDX-License-Identifier: Apache-2.0 */
#include "open.h"
#include "warm_up.h"

#include <clkv/clkv.h>

enum { HEADS = 4, KV_HEADS = 2, DIM = 8, DIM_V = 16, BLOCK = 4, TOKENS = 5, K_ROW = KV_HEADS * DIM,
       V_ROW = KV_HEADS * DIM_V, Q_ROW = HEADS * DIM, O_ROW = HEADS * DIM_V, ROOM = 4096 };

static clkv_device *device;
static clkv_cache *cache;
static clkv_batch *batch;
static clkv_sequence *sequence;
static cl_mem mem, out, lse; /* of ROOM floats each */

static cl_mem make_buffer(cl_context context, cl_mem_flags flags, size_t floats)
{
    cl_int err = CL_SUCCESS;
    cl_mem buffer = clCreateBuffer(context, flags, floats * sizeof(float), NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return buffer;
}

static cl_mem make_part(cl_mem of, size_t first, size_t floats)
{
    const cl_buffer_region region = {first * sizeof(float), floats * sizeof(float)};
    cl_int err = CL_SUCCESS;
    cl_mem part = clCreateSubBuffer(of, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return part;
}

/* A batch of TOKENS tokens, uploaded. */
static void begin(void)
{
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = 1;
    params.heads = HEADS;
    params.kv_heads = KV_HEADS;
    params.head_dim = DIM;
    params.head_dim_v = DIM_V;
    params.block_size = BLOCK;
    params.blocks = 8;
    ck_ok(clkv_cache_create(&cache, device, &params));
    warm_up_for(cache, CLKV_OP_ATTENTION | CLKV_OP_GATHER, type_bit(0), type_bit(0) | type_bit(1));
    clkv_manager *manager = clkv_cache_manager(cache);
    clkv_sequence_params seq = CLKV_PARAMS_INIT(clkv_sequence_params);
    const uint32_t tokens[TOKENS] = {1, 2, 3, 4, 5};
    ck_ok(clkv_sequence_create(&sequence, manager, &seq, NULL));
    ck_ok(clkv_batch_create(&batch, manager));
    ck_ok(clkv_batch_add(batch, sequence, tokens, TOKENS, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_cache_upload(cache, batch, NULL, 0, NULL, NULL));
    mem = make_buffer(clkv_device_context(device), CL_MEM_READ_WRITE, ROOM);
    out = make_buffer(clkv_device_context(device), CL_MEM_READ_WRITE, ROOM);
    lse = make_buffer(clkv_device_context(device), CL_MEM_READ_WRITE, ROOM);
}

static void end(void)
{
    ck_valid(clkv_manager_validate(clkv_cache_manager(cache)));
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&sequence);
    clkv_cache_destroy(&cache);
    clReleaseMemObject(mem);
    clReleaseMemObject(out);
    clReleaseMemObject(lse);
}

typedef enum operand { APPEND_K, APPEND_V, ATTEND_Q, ATTEND_O, ATTEND_LSE, GATHER_K, GATHER_V, OPERANDS } operand;

static const struct {
    const char *name;
    uint32_t heads, dim;
    int writes;
} operands[OPERANDS] = {
    {"k", KV_HEADS, DIM, 0},   {"v", KV_HEADS, DIM_V, 0}, {"q", HEADS, DIM, 0},      {"o", HEADS, DIM_V, 1},
    {"lse", HEADS, 1, 1},      {"k", KV_HEADS, DIM, 1},   {"v", KV_HEADS, DIM_V, 1},
};

/* An operand that is right in its operation. */
static clkv_tensor good(operand which)
{
    const int in_out = which == ATTEND_O || which == GATHER_V;
    return (clkv_tensor){.mem = in_out ? out : which == ATTEND_LSE ? lse : mem};
}

/* The operation that has this operand, the others being right. */
static clkv_status call(operand which, clkv_tensor t)
{
    clkv_append_params a = {.size = sizeof a, .k = good(APPEND_K), .v = good(APPEND_V)};
    clkv_attention_params p = {.size = sizeof p, .q = good(ATTEND_Q), .o = good(ATTEND_O), .lse = good(ATTEND_LSE)};
    clkv_gather_params g = {.size = sizeof g, .k = good(GATHER_K), .v = good(GATHER_V)};
    switch (which) {
    case APPEND_K: a.k = t; break;
    case APPEND_V: a.v = t; break;
    case ATTEND_Q: p.q = t; break;
    case ATTEND_O: p.o = t; break;
    case ATTEND_LSE: p.lse = t; break;
    case GATHER_K: g.k = t; break;
    default: g.v = t; break;
    }
    if (which <= APPEND_V) return clkv_append(cache, batch, &a, 0, NULL, NULL);
    if (which <= ATTEND_LSE) return clkv_attention(cache, batch, &p, 0, NULL, NULL);
    return clkv_gather(cache, sequence, &g, 0, NULL, NULL);
}

/* The operation refuses this operand, and the text names it. */
static void check_refused(operand which, clkv_tensor t, clkv_status wanted, const char *says)
{
    const char *name = operands[which].name, *message = clkv_last_error()->message;
    ck_assert_int_eq(call(which, t), wanted);
    ck_assert_int_eq(clkv_last_error()->status, wanted);
    ck_assert_msg(strstr(message, name) && strstr(message, says), "%s: \"%s\" has no \"%s\"", name, message, says);
}

#define REFUSED(which, says, ...)                                                                                  \
    do {                                                                                                           \
        clkv_tensor t_ = good(which);                                                                              \
        __VA_ARGS__;                                                                                               \
        check_refused(which, t_, CLKV_ERROR_INVALID, says);                                                        \
    } while (0)

static void wrong_in_every_operand(operand w, cl_mem foreign, cl_mem read_only, cl_mem write_only, cl_mem small)
{
    const uint32_t row = operands[w].heads * operands[w].dim;
    if (!(w == ATTEND_LSE || w == GATHER_K || w == GATHER_V)) REFUSED(w, "NULL", t_.mem = NULL);
    REFUSED(w, "type 7", t_.type = (clkv_type)7);
    REFUSED(w, "another context", t_.mem = foreign);
    if (operands[w].writes) REFUSED(w, "CL_MEM_READ_ONLY", t_.mem = read_only);
    else REFUSED(w, "CL_MEM_WRITE_ONLY", t_.mem = write_only);
    REFUSED(w, "the buffer holds 4", t_.mem = small);
    REFUSED(w, "the buffer holds", t_.offset = ROOM - TOKENS * row + 1);
    REFUSED(w, "the buffer holds", t_.offset = SIZE_MAX);
    REFUSED(w, "the buffer holds", t_.offset = SIZE_MAX / 2);
    REFUSED(w, "a token has", t_.stride = row - 1);
    REFUSED(w, "stride", t_.stride = SIZE_MAX);
    REFUSED(w, "the buffer holds", t_.stride = (ROOM - row) / (TOKENS - 1) + 1);
    REFUSED(w, "tokens is stated as 4, but it is 5", t_.tokens = 4);
    REFUSED(w, "heads is stated as 7", t_.heads = 7);
    REFUSED(w, "dim is stated as 9", t_.dim = 9);
    clkv_tensor t = good(w);
    t.offset = ROOM - TOKENS * row;
    t.tokens = TOKENS;
    t.heads = operands[w].heads;
    t.dim = operands[w].dim;
    ck_ok(call(w, t));
    t.offset = 0;
    t.stride = (ROOM - row) / (TOKENS - 1);
    ck_ok(call(w, t));
}

START_TEST(every_operand)
{
    begin();
    cl_int err = CL_SUCCESS;
    const cl_device_id id = clkv_device_id(device);
    cl_context other = clCreateContext(NULL, 1, &id, NULL, NULL, &err);
    const cl_context own = clkv_device_context(device);
    ck_assert_int_eq(err, CL_SUCCESS);
    cl_mem foreign = make_buffer(other, CL_MEM_READ_WRITE, ROOM), small = make_buffer(own, CL_MEM_READ_WRITE, 4);
    cl_mem read_only = make_buffer(own, CL_MEM_READ_ONLY, ROOM), write_only = make_buffer(own, CL_MEM_WRITE_ONLY, ROOM);
    /* Only whole commits have something to gather: the others first. */
    for (operand w = APPEND_K; w <= ATTEND_LSE; w++) wrong_in_every_operand(w, foreign, read_only, write_only, small);
    ck_ok(clkv_batch_commit(batch));
    for (operand w = GATHER_K; w <= GATHER_V; w++) wrong_in_every_operand(w, foreign, read_only, write_only, small);
    clReleaseMemObject(foreign);
    clReleaseMemObject(small);
    clReleaseMemObject(read_only);
    clReleaseMemObject(write_only);
    clReleaseContext(other);
    end();
}
END_TEST

START_TEST(types)
{
    begin();
    check_refused(ATTEND_LSE, (clkv_tensor){.mem = lse, .type = CLKV_F16}, CLKV_ERROR_INVALID, "not CLKV_F32");
    check_refused(APPEND_K, (clkv_tensor){.mem = mem, .type = CLKV_F16}, CLKV_ERROR_UNSUPPORTED, "different types");
    ck_ok(call(ATTEND_O, (clkv_tensor){.mem = out, .type = CLKV_F16})); /* unlike q */
    ck_ok(clkv_batch_commit(batch));
    check_refused(GATHER_V, (clkv_tensor){.mem = out, .type = CLKV_F16}, CLKV_ERROR_UNSUPPORTED, "different types");
    clkv_gather_params g = {.size = sizeof g, .v = {.mem = out, .type = CLKV_F16}, .k.type = CLKV_F32};
    ck_ok(clkv_gather(cache, sequence, &g, 0, NULL, NULL)); /* k is not wanted, and its type does not matter */
    end();
}
END_TEST

/* Outputs in one buffer with each other or with the queries, also as sub-buffers of it. */
START_TEST(overlaps)
{
    begin();
    cl_uint align_bits = 0;
    ck_assert_int_eq(clGetDeviceInfo(clkv_device_id(device), CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align_bits,
                                     &align_bits, NULL),
                     CL_SUCCESS);
    const size_t align = align_bits / 8 / sizeof(float);
    enum { Q = TOKENS * Q_ROW, O = TOKENS * O_ROW };
    check_refused(ATTEND_O, (clkv_tensor){.mem = mem}, CLKV_ERROR_INVALID, "o and q overlap");
    check_refused(ATTEND_O, (clkv_tensor){.mem = mem, .offset = Q - 1}, CLKV_ERROR_INVALID, "o and q overlap");
    ck_ok(call(ATTEND_O, (clkv_tensor){.mem = mem, .offset = Q}));
    check_refused(ATTEND_Q, (clkv_tensor){.mem = out, .offset = O - 1}, CLKV_ERROR_INVALID, "o and q overlap");
    ck_ok(call(ATTEND_Q, (clkv_tensor){.mem = out, .offset = O}));
    /* A token of o lies behind each token of q; or q's tokens are spread, and one of o's rows meets the last one. */
    clkv_attention_params a = {.size = sizeof a, .q = {.mem = mem, .stride = Q_ROW + O_ROW}};
    a.o = (clkv_tensor){.mem = mem, .offset = Q_ROW, .stride = Q_ROW + O_ROW};
    ck_ok(clkv_attention(cache, batch, &a, 0, NULL, NULL));
    a.o.offset = Q_ROW - 1;
    ck_assert_int_eq(clkv_attention(cache, batch, &a, 0, NULL, NULL), CLKV_ERROR_INVALID);
    a.o.offset = Q_ROW + 1;
    ck_assert_int_eq(clkv_attention(cache, batch, &a, 0, NULL, NULL), CLKV_ERROR_INVALID);
    a.q.stride = 600;
    a.o = (clkv_tensor){.mem = mem, .offset = Q_ROW};
    ck_ok(clkv_attention(cache, batch, &a, 0, NULL, NULL)); /* all of o is between two tokens of q */
    a.o.offset = 3 * 600 - 4 * O_ROW; /* its fifth row */
    ck_assert_int_eq(clkv_attention(cache, batch, &a, 0, NULL, NULL), CLKV_ERROR_INVALID);

    check_refused(ATTEND_LSE, (clkv_tensor){.mem = mem, .offset = Q - 1}, CLKV_ERROR_INVALID, "lse and q overlap");
    check_refused(ATTEND_LSE, (clkv_tensor){.mem = out, .offset = O - 1}, CLKV_ERROR_INVALID, "lse and o overlap");
    ck_ok(call(ATTEND_LSE, (clkv_tensor){.mem = out, .offset = O}));

    cl_mem head = make_part(mem, 0, align < Q ? Q : align), tail = make_part(mem, align, ROOM - align);
    if (align < Q)
        check_refused(ATTEND_O, (clkv_tensor){.mem = tail}, CLKV_ERROR_INVALID, "o and q overlap");
    ck_ok(call(ATTEND_O, (clkv_tensor){.mem = tail, .offset = align < Q ? Q - align : 0}));
    check_refused(ATTEND_O, (clkv_tensor){.mem = head}, CLKV_ERROR_INVALID, "o");
    clReleaseMemObject(head);
    clReleaseMemObject(tail);

    ck_ok(clkv_batch_commit(batch));
    check_refused(GATHER_K, (clkv_tensor){.mem = out}, CLKV_ERROR_INVALID, "k and v overlap");
    ck_ok(call(GATHER_K, (clkv_tensor){.mem = out, .offset = TOKENS * V_ROW}));
    end();
}
END_TEST

/* Buffers that may be used in one direction only serve in that direction. */
START_TEST(directions)
{
    begin();
    const cl_context own = clkv_device_context(device);
    cl_mem read_only = make_buffer(own, CL_MEM_READ_ONLY, ROOM), write_only = make_buffer(own, CL_MEM_WRITE_ONLY, ROOM);
    for (operand w = APPEND_K; w <= ATTEND_LSE; w++)
        ck_ok(call(w, (clkv_tensor){.mem = operands[w].writes ? write_only : read_only}));
    ck_ok(clkv_batch_commit(batch));
    for (operand w = GATHER_K; w <= GATHER_V; w++) ck_ok(call(w, (clkv_tensor){.mem = write_only}));
    clFinish(clkv_device_queue(device));
    clReleaseMemObject(read_only);
    clReleaseMemObject(write_only);
    end();
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    device = open_device(NULL);
    Suite *suite = suite_create("tensors");
    TCase *tests = tcase_create("tensors");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, every_operand);
    tcase_add_test(tests, types);
    tcase_add_test(tests, overlaps);
    tcase_add_test(tests, directions);
    suite_add_tcase(suite, tests);
    const int status = run_suite(suite);
    clkv_device_close(&device);
    return status;
}
