/* test_warm_up.c: kernels are compiled when a cache is made or by clkv_cache_warm_up, never by an operation: what is not
 * compiled is refused, what is needs nothing more at its first launch, and the disk cache has it at once.
 * SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw, setenv */
#include "cache_dir.h"
#include "open.h"
#include "warm_up.h"

#include "cache/state.h"
#include "device/device.h"
#include "ops/idle.h"
#include "ops/kernel.h"

#include <clkv/clkv.h>

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
static const char *self;

enum { HEADS = 2, DIM = 16, BLOCK = 4, ROW = HEADS * DIM, FLOATS = 2 * ROW };

static clkv_cache_params small_params(clkv_compile compile)
{
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = 1;
    params.heads = HEADS;
    params.kv_heads = 1;
    params.head_dim = DIM;
    params.block_size = BLOCK;
    params.blocks = 8;
    params.compile = compile;
    return params;
}

static clkv_cache *new_cache(clkv_device *device, clkv_compile compile)
{
    const clkv_cache_params params = small_params(compile);
    clkv_cache *kv = NULL;
    ck_ok(clkv_cache_create(&kv, device, &params));
    return kv;
}

static uint64_t built(const clkv_device *device)
{
    uint64_t n = 0;
    clkv_device_get_program_counts(device, &n, NULL);
    return n;
}

/* n programs have been built; more where drivers do not allow kernels the work-group of the tuning table. */
static void check_built(const clkv_device *device, uint64_t n)
{
    ck_assert_uint_ge(built(device), n);
    if (strcmp(info_of(device).platform, "rusticl")) ck_assert_uint_eq(built(device), n);
}

/* A cache with a reserved batch of one token, and a buffer large enough for every tensor of it. */
typedef struct step {
    clkv_cache *kv;
    clkv_batch *batch;
    clkv_sequence *sequence;
    cl_mem mem;
} step;

static void step_begin(step *s, clkv_cache *kv)
{
    *s = (step){ .kv = kv };
    clkv_manager *manager = clkv_cache_manager(kv);
    const clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
    cl_int err = CL_SUCCESS;
    float zeros[FLOATS] = { 0 };
    s->mem = clCreateBuffer(clkv_device_context(clkv_cache_device(kv)), CL_MEM_COPY_HOST_PTR, sizeof zeros, zeros,
                            &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    ck_ok(clkv_batch_create(&s->batch, manager));
    ck_ok(clkv_sequence_create(&s->sequence, manager, &params, NULL));
    const uint32_t token = 1;
    ck_ok(clkv_batch_add(s->batch, s->sequence, &token, 1, NULL));
    ck_ok(clkv_batch_reserve(s->batch));
}

static void step_end(step *s)
{
    clkv_batch_destroy(&s->batch);
    clkv_sequence_destroy(&s->sequence);
    clReleaseMemObject(s->mem);
    clkv_cache_destroy(&s->kv);
}

static clkv_status upload(step *s)
{
    return clkv_cache_upload(s->kv, s->batch, NULL, 0, NULL, NULL);
}

static clkv_status append(step *s, clkv_type type)
{
    clkv_append_params params = CLKV_PARAMS_INIT(clkv_append_params);
    params.k.mem = params.v.mem = s->mem;
    params.k.type = params.v.type = type;
    return clkv_append(s->kv, s->batch, &params, 0, NULL, NULL);
}

static clkv_status attend(step *s, clkv_type in, clkv_type out)
{
    clkv_attention_params params = CLKV_PARAMS_INIT(clkv_attention_params);
    params.q.mem = params.o.mem = s->mem;
    params.q.type = in;
    params.o.type = out;
    params.o.offset = out == CLKV_F16 ? 2 * ROW : ROW; /* the output must not overlap the queries */
    return clkv_attention(s->kv, s->batch, &params, 0, NULL, NULL);
}

static clkv_status gather(step *s, clkv_type type)
{
    clkv_gather_params params = CLKV_PARAMS_INIT(clkv_gather_params);
    params.k.mem = s->mem;
    params.count = 1;
    params.k.type = type;
    return clkv_gather(s->kv, s->sequence, &params, 0, NULL, NULL);
}

static clkv_status copy(step *s)
{
    const clkv_block_copy one = { 6, 7 };
    return clkv_copy_blocks(s->kv, 0, &one, 1, 0, NULL, NULL);
}

static void refused(clkv_status st, const char *operation)
{
    ck_assert_int_eq(st, CLKV_ERROR_STATE);
    ck_assert_msg(strstr(clkv_last_error()->message, "clkv_cache_warm_up with CLKV_OP_") &&
                      strstr(clkv_last_error()->message, operation),
                  "%s", clkv_last_error()->message);
}

START_TEST(what_is_not_compiled_is_refused)
{
    clkv_device *device = open_device("");
    step s;
    step_begin(&s, new_cache(device, CLKV_COMPILE_LATER));
    refused(upload(&s), "UPLOAD");
    refused(copy(&s), "COPY");
    check_built(device, 0);
    warm_up_for(s.kv, CLKV_OP_COPY, 0, 0);
    ck_ok(copy(&s));
    refused(upload(&s), "UPLOAD");
    check_built(device, 1);
    warm_up_for(s.kv, CLKV_OP_UPLOAD, 0, 0);
    ck_ok(upload(&s));
    refused(append(&s, CLKV_F32), "APPEND");
    refused(attend(&s, CLKV_F32, CLKV_F32), "ATTENTION");
    check_built(device, 2);
    warm_up_for(s.kv, CLKV_OP_APPEND | CLKV_OP_ATTENTION, type_bit(1), type_bit(0) | type_bit(1));
    check_built(device, 2 + 1 + 4); /* append; attention and merge for each output */
    ck_ok(append(&s, CLKV_F16));
    ck_ok(attend(&s, CLKV_F16, CLKV_F16));
    ck_ok(attend(&s, CLKV_F16, CLKV_F32));
    refused(append(&s, CLKV_F32), "APPEND");
    refused(attend(&s, CLKV_F32, CLKV_F16), "ATTENTION");
    ck_ok(clkv_batch_commit(s.batch));
    refused(gather(&s, CLKV_F16), "GATHER");
    warm_up_for(s.kv, CLKV_OP_GATHER, 0, type_bit(1));
    ck_ok(gather(&s, CLKV_F16));
    refused(gather(&s, CLKV_F32), "GATHER");
    check_built(device, 8);
    step_end(&s);
    clkv_device_close(&device);
}
END_TEST

START_TEST(wrong_params)
{
    clkv_device *device = open_device("");
    clkv_cache *kv = new_cache(device, CLKV_COMPILE_LATER);
    clkv_warm_up_params params = CLKV_PARAMS_INIT(clkv_warm_up_params);
    ck_assert_int_eq(clkv_cache_warm_up(NULL, &params), CLKV_ERROR_INVALID);
    params.operations = 32;
    ck_assert_int_eq(clkv_cache_warm_up(kv, &params), CLKV_ERROR_INVALID);
    params.operations = 0;
    params.inputs = 1; /* the bit of no type */
    ck_assert_int_eq(clkv_cache_warm_up(kv, &params), CLKV_ERROR_INVALID);
    params.inputs = 0;
    params.outputs = 8;
    ck_assert_int_eq(clkv_cache_warm_up(kv, &params), CLKV_ERROR_INVALID);
    check_built(device, 0);
    clkv_cache_params bad = small_params((clkv_compile)2);
    ck_assert_int_eq(clkv_cache_supported(device, &bad), CLKV_ERROR_INVALID);
    clkv_cache_destroy(&kv);
    clkv_device_close(&device);
}
END_TEST

typedef struct told {
    uint32_t n, last, total;
    pthread_t caller;
} told;

static void tell(void *user, uint32_t done, uint32_t total)
{
    told *t = user;
    ck_assert(pthread_equal(pthread_self(), t->caller));
    ck_assert(t->n == 0 ? done == 0 : done > t->last && total == t->total);
    t->n++;
    t->last = done;
    t->total = total;
}

START_TEST(all_at_creation)
{
    clkv_device *device = open_device("");
    clkv_cache_params params = small_params(CLKV_COMPILE_DEFAULT);
    told t = { .caller = pthread_self() };
    params.clear_freed = 1;
    params.on_progress = tell;
    params.user = &t;
    step s;
    clkv_cache *kv = NULL;
    ck_ok(clkv_cache_create(&kv, device, &params));
    ck_assert_uint_eq(t.total, 7); /* attention, merge, append, gather, copy, rows, clear */
    ck_assert_uint_eq(t.last, 7);
    check_built(device, 7);
    step_begin(&s, kv);
    ck_ok(upload(&s));
    ck_ok(append(&s, CLKV_F32));
    ck_ok(attend(&s, CLKV_F32, CLKV_F32));
    ck_ok(clkv_batch_commit(s.batch));
    ck_ok(gather(&s, CLKV_F32));
    ck_ok(copy(&s));
    ck_ok(clkv_cache_clear_freed(kv, 0, NULL, NULL));
    ck_ok(clkv_cache_warm_up(kv, NULL)); /* nothing is missing */
    const uint64_t before = built(device);
    clkv_cache *twin = new_cache(device, CLKV_COMPILE_DEFAULT);
    ck_assert_uint_eq(built(device), before); /* programs are shared by the caches of a device */
    clkv_cache_destroy(&twin);
    step_end(&s);
    clkv_device_close(&device);
}
END_TEST

static void *warm_up_all(void *kv)
{
    return (void *)(intptr_t)clkv_cache_warm_up(kv, NULL);
}

START_TEST(at_once)
{
    enum { THREADS = 4 };
    clkv_device *device = open_device("");
    clkv_cache *caches[] = { new_cache(device, CLKV_COMPILE_LATER), new_cache(device, CLKV_COMPILE_LATER) };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, warm_up_all, caches[i % 2]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *st = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &st), 0);
        ck_assert_ptr_null(st);
    }
    check_built(device, 6);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(caches[i]->ops.kernels.n, 6);
        clkv_cache_destroy(&caches[i]);
    }
    clkv_device_close(&device);
}
END_TEST

/* Wherever memory runs out: nothing has changed, and the next try works. */
START_TEST(out_of_memory)
{
    setenv("CLKV_COMPILE_THREADS", "1", 1); /* the allocator that fails counts for one thread */
    fail_allocator allocator = { 0 };
    clkv_set_allocator(&(clkv_allocator){ fail_resize, &allocator });
    clkv_device *device = open_device("");
    clkv_status st = CLKV_ERROR_NO_MEMORY;
    long at = 1;
    for (; st; at++) {
        ck_assert_int_lt(at, 1000);
        clkv_cache *kv = new_cache(device, CLKV_COMPILE_LATER);
        const size_t idle = allocator.live_bytes;
        clkv_warm_up_params params = CLKV_PARAMS_INIT(clkv_warm_up_params);
        params.operations = CLKV_OP_UPLOAD;
        allocator.requests = 0;
        allocator.fail_at = at;
        st = clkv_cache_warm_up(kv, &params);
        allocator.fail_at = 0;
        if (st) ck_assert_int_eq(st, CLKV_ERROR_NO_MEMORY);
        ck_assert_uint_eq(kv->ops.kernels.n, st ? 0 : 2);
        if (st) ck_assert_uint_le(allocator.live_bytes, idle + 4096); /* programs, which the device keeps */
        clkv_cache_destroy(&kv);
    }
    ck_assert_int_gt(at, 2); /* it ran out at least once; how often depends on what the device has in its cache */
    clkv_device_close(&device);
    ck_assert_uint_eq(allocator.live_bytes, 0);
    clkv_set_allocator(NULL);
    unsetenv("CLKV_COMPILE_THREADS");
}
END_TEST

/* Idle launches touch nothing but their buffer of zeros: for all families and types. Oclgrind looks at every access. */
START_TEST(idle_launches)
{
    clkv_device *device = open_device("");
    clkv_cache_params params = small_params(CLKV_COMPILE_LATER);
    params.clear_freed = 1;
    params.max_slab_bytes = 3 * clkv_cache_block_bytes(&params); /* several slabs */
    clkv_cache *kv = NULL;
    ck_ok(clkv_cache_create(&kv, device, &params));
    const clkv_target target = { .context = device->context, .id = device->facts.id };
    const clkv_needs needs = { .operations = 31, .inputs = type_bit(0) | type_bit(1),
                               .outputs = type_bit(0) | type_bit(1), .clears = 1 };
    clkv_missing missing;
    memset(&missing, 0, sizeof missing);
    ck_ok(clkv_ops_missing(&kv->ops, needs, &missing));
    ck_assert_uint_eq(missing.n, 13);
    for (uint32_t i = 0; i < missing.n; i++) {
        clkv_missing_kernel *m = &missing.kernels[i];
        ck_ok(clkv_ops_make(&kv->ops, m));
        m->spec.work_group = (uint32_t)m->made.group;
        const clkv_idle idle = clkv_ops_idle(&m->spec);
        ck_ok(clkv_launch_idle(&target, m->made.kernel, &idle));
    }
    clkv_ops_drop(&missing);
    clkv_cache_destroy(&kv);
    clkv_device_close(&device);
}
END_TEST

/* ---- pocl: its own cache shows what it has compiled ---- */

static int n_objects;

static int count_object(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)at;
    const size_t n = strlen(path);
    n_objects += type == FTW_F && n > 3 && !strcmp(path + n - 3, ".so");
    return 0;
}

/* Machine code that pocl has made so far; 0 where it is not pocl. */
static int machine_codes(void)
{
    n_objects = 0;
    nftw(getenv("POCL_CACHE_DIR"), count_object, 8, FTW_PHYS);
    return n_objects;
}

/* A process that makes a cache and does a step with it, and ends without closing anything. The exit status says what
 * was compiled: 1 a program, 2 machine code before the first operation, 4 machine code after it. */
static const char *process_directory;
static int process_result = 64; /* it has failed */

START_TEST(one_process)
{
    clkv_device *device = open_device(process_directory);
    step s;
    step_begin(&s, new_cache(device, CLKV_COMPILE_DEFAULT));
    const int before = machine_codes();
    ck_ok(upload(&s));
    ck_ok(append(&s, CLKV_F32));
    ck_ok(attend(&s, CLKV_F32, CLKV_F32));
    ck_ok(clkv_batch_commit(s.batch));
    ck_ok(gather(&s, CLKV_F32));
    ck_ok(copy(&s));
    ck_assert_int_eq(clFinish(clkv_device_queue(device)), CL_SUCCESS);
    process_result = (built(device) > 0) + 2 * (before > 0) + 4 * (machine_codes() > before);
}
END_TEST

static int run_process(const char *directory)
{
    char *const argv[] = { (char *)self, "process", (char *)directory, NULL };
    pid_t child = 0;
    int status = 0;
    ck_assert_int_eq(posix_spawn(&child, self, NULL, NULL, argv, environ), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(first_launches_compile_nothing)
{
    clkv_device *device = open_device(NULL);
    const clkv_device_info info = info_of(device);
    const int is_pocl = !strcmp(info.platform, "Portable Computing Language");
    clkv_device_close(&device);
    if (!*info.cache_dir) {
        printf("%s has no disk cache: not tried\n", info.name);
        return;
    }
    begin();
    for (int i = 0; i < 2; i++) {
        char own[128]; /* pocl's cache is empty at each start: only clkv's is kept */
        snprintf(own, sizeof own, "%s/pocl-%d", dir, i);
        ck_assert_int_eq(mkdir(own, 0700), 0);
        setenv("POCL_CACHE_DIR", own, 1);
        ck_assert_int_eq(run_process(cache), (i == 0) + 2 * is_pocl);
    }
    end();
}
END_TEST

int main(int argc, char **argv)
{
    self = argv[0];
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("warm_up");
    TCase *tests = tcase_create("warm_up");
    tcase_set_timeout(tests, 0);
    suite_add_tcase(suite, tests);
    if (argc == 3 && !strcmp(argv[1], "process")) {
        process_directory = argv[2];
        tcase_add_test(tests, one_process);
        run_suite(suite);
        fflush(stdout);
        _exit(process_result); /* no handler of the library or the driver has a say */
    }
    tcase_add_test(tests, what_is_not_compiled_is_refused);
    tcase_add_test(tests, wrong_params);
    tcase_add_test(tests, all_at_creation);
    tcase_add_test(tests, at_once);
    tcase_add_test(tests, out_of_memory);
    tcase_add_test(tests, idle_launches);
    tcase_add_test(tests, first_launches_compile_nothing);
    return run_suite(suite);
}
