/* test_hpp.cpp: clkv.hpp as a program uses it, without a device: handles that move, spans, both sorts of errors.
 * SPDX-License-Identifier: Apache-2.0 */
#include <clkv/clkv.hpp>

#include <array>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <vector>

static int failures;

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool good, const char *condition, int line)
{
    if (good) return;
    failures++;
    std::printf("FAILED: line %d: %s\n", line, condition);
}

static_assert(!std::is_copy_constructible_v<clkv::manager> && !std::is_copy_assignable_v<clkv::batch>);
static_assert(std::is_nothrow_move_constructible_v<clkv::sequence> && std::is_nothrow_move_assignable_v<clkv::sequence>);
static_assert(!std::is_convertible_v<clkv_manager *, clkv::manager>, "who owns is said");
static_assert(sizeof(clkv::manager) == sizeof(void *));

static clkv::manager make_manager(uint32_t blocks)
{
    auto params = clkv::params<clkv_manager_params>();
    params.blocks = blocks;
    return clkv::manager(params);
}

static void test_errors()
{
    auto params = clkv::params<clkv_manager_params>();
    params.blocks = 8;
    params.block_size = 3;
    bool thrown = false;
    try {
        clkv::manager m(params);
    } catch (const clkv::error &e) {
        thrown = true;
        CHECK(e.status() == CLKV_ERROR_INVALID && e.code() == CLKV_ERROR_INVALID);
        CHECK(!std::strcmp(e.where(), "clkv_manager_create") && e.driver_code() == 0);
        CHECK(std::strstr(e.what(), "block_size"));
    }
    CHECK(thrown);
    std::error_code code;
    clkv::manager m(params, code);
    CHECK(!m && code == CLKV_ERROR_INVALID && code.category() == clkv::category());
    CHECK(code.message() == clkv_status_text(CLKV_ERROR_INVALID) && !std::strcmp(code.category().name(), "clkv"));
    params.block_size = 4;
    m = clkv::manager(params, code);
    CHECK(m && !code && m.block_size() == 4);
}

static void test_life()
{
    clkv::manager m = make_manager(8);
    clkv_manager *raw = m;
    clkv::manager moved(std::move(m));
    CHECK(!m && moved.get() == raw && moved.blocks() == 8);
    m = std::move(moved);
    CHECK(m.get() == raw && !moved);
    clkv::manager &same = m;
    m = std::move(same);
    CHECK(m.get() == raw);
    clkv_manager *out = m.release();
    CHECK(!m && out == raw);
    m = clkv::manager::adopt(out);
    CHECK(m.get() == raw);
    m.reset();
    CHECK(!m);
    /* In an order that C++ chooses: members are destroyed last to first. */
    std::vector<clkv::sequence> sequences;
    {
        clkv::manager short_lived = make_manager(8);
        for (int i = 0; i < 3; i++)
            sequences.emplace_back(short_lived, clkv::params<clkv_sequence_params>());
    }
    CHECK(sequences[2].length() == 0);
}

static void test_steps()
{
    clkv::manager m = make_manager(8);
    std::vector<uint32_t> text(40);
    std::iota(text.begin(), text.end(), 100u);
    auto params = clkv::params<clkv_sequence_params>();
    params.user_data = 7;
    clkv::sequence s(m, params);
    clkv::batch b(m);
    CHECK(b.add(s, text) == 0 && b.size() == 40 && b.missing() == 0);
    b.reserve();
    CHECK(b.slots().size() == 40 && b.entries().size() == 1 && b.entries()[0].context == 40);
    CHECK(b.positions()[39] == 39 && b.copies().empty() && b.evictions().empty());
    b.commit();
    CHECK(s.length() == 40 && s.table().size() == 3 && m.available() == 5);
    CHECK(m.lookup({}, text) == 32);
    clkv::sequence f = clkv::fork(s, 8);
    CHECK(f.length() == 40 && f.user_data() == 8 && f.table()[0] == s.table()[0]);

    std::size_t matched = 0;
    params.tokens = text.data();
    params.n_tokens = text.size();
    clkv::sequence again(m, params, &matched);
    CHECK(matched == 32 && again.pending(text) == 0);

    /* More than there is: the status is known by its name, and nothing has changed. */
    std::array<uint32_t, 90> many{}; /* six blocks, where five are free */
    std::error_code code;
    b.clear();
    b.add(again, many, code);
    CHECK(!code);
    b.reserve(code);
    CHECK(code == CLKV_ERROR_NO_BLOCKS && b.missing() > 0);
    CHECK(b.victim() == again.get()); /* nothing is lost: all its blocks are shared */
    b.pop();
    CHECK(s.length() == 40 && m.stats().blocks_total == 8);
    CHECK(m.forget({}, text) == 1 && m.lookup({}, text) == 16); /* the second block, and the first stays */
    CHECK(m.forget({}, {}) == 1 && m.lookup({}, text) == 0);
    CHECK(clkv_sequence_truncate(s, 10) == CLKV_OK && s.length() == 10); /* a C function takes the object */
}

static void test_entries()
{
    clkv::manager m = make_manager(8);
    clkv::entries e(m, clkv::params<clkv_entries_params>());
    clkv::sequence s(m, clkv::params<clkv_sequence_params>());
    clkv::batch b(m);
    const std::vector<uint32_t> text(20, 3);
    b.add(s, text);
    b.reserve();
    b.commit();
    const clkv_fingerprint key{1, 20, "model"}, other{2, 20, "model"};
    e.put(key, s);
    clkv::sequence got = e.get(key, 9);
    CHECK(got.length() == 20 && got.user_data() == 9 && got.table()[0] == s.table()[0] && e.info(key).accesses == 1);
    const std::vector<unsigned char> data{1, 2, 3};
    std::vector<unsigned char> back(5);
    e.put(other, data);
    CHECK(e.get(other, back) == 3 && back[2] == 3 && e.counts().entries == 2 && e.contains(other));
    std::error_code code;
    e.remove(other);
    CHECK(!e.get(other, 0, code) && code == CLKV_ERROR_NOT_FOUND);
    CHECK(e.evict(5) == 1 && e.counts().evictions == 1);
    e.clear();
}

int main()
{
    test_entries();
    test_errors();
    test_life();
    test_steps();
    std::printf("%d failures\n", failures);
    return failures ? 1 : 0;
}
