/* clkv/clkv.hpp: clkv for C++17: handles that own, spans, and errors as exceptions or as std::error_code.
 *
 * It is a thin header over the C API: a method does what the C function of its name does, and the C header says what that
 * is. Objects that own (manager, sequence, batch, device, cache) can be moved and not copied. Each converts to the C
 * handle, so every C function takes it, also those that have no method here. The objects named …_ref do not own; they are
 * what cache::manager() and batch::victim() return.
 *
 *     clkv::device device(clkv::params<clkv_device_params>());
 *     auto params = clkv::params<clkv_cache_params>();
 *     params.layers = 32; …
 *     clkv::cache cache(device, params);                  // throws clkv::error
 *
 *     std::error_code code;
 *     batch.reserve(code);                                // does not throw
 *     if (code == CLKV_ERROR_NO_BLOCKS) …
 *
 * Errors       Every method that can fail takes an on_error last. Without one it throws clkv::error; with a
 *              std::error_code it sets that, and clears it on success. A constructor that fails without throwing leaves
 *              an empty object. clkv_last_error() has the reason in both cases. The compiler must allow exceptions.
 * Life, threads, shapes and units are those of the C API.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CLKV_HPP
#define CLKV_CLKV_HPP

#include <clkv/clkv.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace clkv {

/* A params struct with its size set and everything else at its default. */
template <class type> type params()
{
    return clkv_params_init<type>();
}

/* ---- errors ---- */

/* The category of the codes that are a clkv_status. */
inline const std::error_category &category() noexcept
{
    class statuses : public std::error_category {
    public:
        const char *name() const noexcept override { return "clkv"; }
        std::string message(int status) const override { return clkv_status_text(static_cast<clkv_status>(status)); }
    };
    static const statuses the;
    return the;
}

/* A failure, with the text and the function of clkv_last_error(). */
class error : public std::system_error {
public:
    explicit error(clkv_status status)
        : std::system_error(status, category(), clkv_last_error()->message), where_(clkv_last_error()->where),
          driver_code_(clkv_last_error()->driver_code)
    {
    }
    clkv_status status() const noexcept { return static_cast<clkv_status>(code().value()); }
    const char *where() const noexcept { return where_; }         /* static storage */
    int32_t driver_code() const noexcept { return driver_code_; } /* the cl_int, or 0 */

private:
    const char *where_;
    int32_t driver_code_;
};

/* What a method does when it fails: throws, or sets the caller's code. */
class on_error {
public:
    on_error() noexcept = default;
    on_error(std::error_code &code) noexcept : code_(&code) {}
    /* Whether the status is good. */
    bool operator()(clkv_status status) const
    {
        if (!code_ && status != CLKV_OK) throw error(status);
        if (code_) code_->assign(status, category());
        return status == CLKV_OK;
    }

private:
    std::error_code *code_ = nullptr;
};

/* ---- spans ---- */

/* Elements that somebody else owns. It is made of a pointer and a number, or of a container. */
template <class type> class span {
public:
    span() noexcept = default;
    span(type *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class container, class = std::enable_if_t<std::is_convertible_v<
                                   decltype(std::declval<container &>().data()), type *>>>
    span(container &&c) noexcept : data_(c.data()), size_(c.size())
    {
    }
    type *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    type *begin() const noexcept { return data_; }
    type *end() const noexcept { return data_ + size_; }
    type &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    type *data_ = nullptr;
    std::size_t size_ = 0;
};

using tokens = span<const uint32_t>;
using keys = span<const clkv_key>;

/* ---- handles ---- */

/* A handle that is not owned. */
template <class type> class ref {
public:
    ref(type *handle = nullptr) noexcept : handle_(handle) {}
    type *get() const noexcept { return handle_; }
    operator type *() const noexcept { return handle_; }

protected:
    type *handle_;
};

/* A handle that is owned: `base` has the methods, and `base::make` fills the handle. */
template <class base, class type, void (*destroy)(type **)> class owner : public base {
public:
    owner() noexcept = default;
    template <class first, class... rest,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<first>, owner> && !std::is_pointer_v<first>>>
    explicit owner(first &&a, rest &&...others)
    {
        base::make(&this->handle_, std::forward<first>(a), std::forward<rest>(others)...);
    }
    owner(owner &&other) noexcept : base(other.release()) {}
    owner &operator=(owner &&other) noexcept
    {
        if (this != &other) reset(other.release());
        return *this;
    }
    owner(const owner &) = delete;
    owner &operator=(const owner &) = delete;
    ~owner() { reset(); }

    /* Takes what a C function has created. */
    static owner adopt(type *handle) noexcept
    {
        owner made;
        made.handle_ = handle;
        return made;
    }
    /* Gives the handle to the caller, who destroys it. */
    type *release() noexcept { return std::exchange(this->handle_, nullptr); }
    void reset(type *handle = nullptr) noexcept
    {
        destroy(&this->handle_);
        this->handle_ = handle;
    }
};

/* ---- the host half ---- */

class manager_ref : public ref<clkv_manager> {
public:
    using ref::ref;
    static void make(clkv_manager **out, const clkv_manager_params &params, on_error failed = {})
    {
        failed(clkv_manager_create(out, &params));
    }
    uint32_t block_size() const noexcept { return clkv_manager_block_size(handle_); }
    uint32_t blocks() const noexcept { return clkv_manager_blocks(handle_); }
    uint32_t available() const noexcept { return clkv_manager_available(handle_); }
    std::size_t lookup(keys k, tokens t, on_error failed = {}) const
    {
        std::size_t found = 0;
        failed(clkv_manager_lookup(handle_, k.data(), k.size(), t.data(), t.size(), &found));
        return found;
    }
    std::size_t pin(keys k, tokens t, uint32_t priority, uint64_t ttl_ms, on_error failed = {}) const
    {
        std::size_t pinned = 0;
        failed(clkv_manager_pin(handle_, k.data(), k.size(), t.data(), t.size(), priority, ttl_ms, &pinned));
        return pinned;
    }
    std::size_t forget(keys k, tokens t, on_error failed = {}) const
    {
        std::size_t forgotten = 0;
        failed(clkv_manager_forget(handle_, k.data(), k.size(), t.data(), t.size(), &forgotten));
        return forgotten;
    }
    void clear(on_error failed = {}) const { failed(clkv_manager_reset(handle_)); }
    clkv_stats stats(on_error failed = {}) const
    {
        clkv_stats out = params<clkv_stats>();
        failed(clkv_manager_get_stats(handle_, &out));
        return out;
    }
};
using manager = owner<manager_ref, clkv_manager, clkv_manager_destroy>;

class sequence_ref : public ref<clkv_sequence> {
public:
    using ref::ref;
    static void make(clkv_sequence **out, manager_ref m, const clkv_sequence_params &params, std::size_t *matched,
                     on_error failed = {})
    {
        failed(clkv_sequence_create(out, m, &params, matched));
    }
    static void make(clkv_sequence **out, manager_ref m, const clkv_sequence_params &params, on_error failed = {})
    {
        make(out, m, params, nullptr, failed);
    }
    std::size_t length() const noexcept { return clkv_sequence_length(handle_); }
    uint64_t user_data() const noexcept { return clkv_sequence_user_data(handle_); }
    void set_user_data(uint64_t data) const noexcept { clkv_sequence_set_user_data(handle_, data); }
    void truncate(std::size_t length, on_error failed = {}) const { failed(clkv_sequence_truncate(handle_, length)); }
    void preempt(on_error failed = {}) const { failed(clkv_sequence_preempt(handle_)); }
    std::size_t resume(tokens t, on_error failed = {}) const
    {
        std::size_t matched = 0;
        failed(clkv_sequence_resume(handle_, t.data(), t.size(), &matched));
        return matched;
    }
    std::size_t pending(tokens t, on_error failed = {}) const
    {
        std::size_t pending = 0;
        failed(clkv_sequence_pending(handle_, t.data(), t.size(), &pending));
        return pending;
    }
    void forget(std::size_t from = 0, on_error failed = {}) const { failed(clkv_sequence_forget(handle_, from)); }
    span<const uint32_t> table(uint32_t group = 0, on_error failed = {}) const
    {
        const uint32_t *table = nullptr;
        std::size_t n = 0;
        failed(clkv_sequence_get_table(handle_, group, &table, &n));
        return {table, n};
    }
};
using sequence = owner<sequence_ref, clkv_sequence, clkv_sequence_destroy>;

/* A second sequence with the same history; the blocks are shared. */
inline sequence fork(sequence_ref of, uint64_t user_data, on_error failed = {})
{
    clkv_sequence *out = nullptr;
    failed(clkv_sequence_fork(&out, of, user_data));
    return sequence::adopt(out);
}

class entries_ref : public ref<clkv_entries> {
public:
    using ref::ref;
    static void make(clkv_entries **out, manager_ref m, const clkv_entries_params &params, on_error failed = {})
    {
        failed(clkv_entries_create(out, m, &params));
    }
    void put(const clkv_fingerprint &key, sequence_ref s, on_error failed = {}) const
    {
        failed(clkv_entries_put_sequence(handle_, &key, s));
    }
    void put(const clkv_fingerprint &key, span<const unsigned char> data, on_error failed = {}) const
    {
        failed(clkv_entries_put_data(handle_, &key, data.data(), data.size()));
    }
    sequence get(const clkv_fingerprint &key, uint64_t user_data, on_error failed = {}) const
    {
        clkv_sequence *out = nullptr;
        failed(clkv_entries_get_sequence(handle_, &key, user_data, &out));
        return sequence::adopt(out);
    }
    /* The length of the data, which is copied to out. */
    std::size_t get(const clkv_fingerprint &key, span<unsigned char> out, on_error failed = {}) const
    {
        std::size_t n = 0;
        failed(clkv_entries_get_data(handle_, &key, out.data(), out.size(), &n));
        return n;
    }
    bool contains(const clkv_fingerprint &key) const noexcept { return clkv_entries_contains(handle_, &key) != 0; }
    void remove(const clkv_fingerprint &key, on_error failed = {}) const { failed(clkv_entries_remove(handle_, &key)); }
    void clear() const noexcept { clkv_entries_clear(handle_); }
    uint32_t evict(uint32_t n) const noexcept { return clkv_entries_evict(handle_, n); }
    clkv_entry_info info(const clkv_fingerprint &key, on_error failed = {}) const
    {
        clkv_entry_info out = params<clkv_entry_info>();
        failed(clkv_entries_get_info(handle_, &key, &out));
        return out;
    }
    clkv_entries_counts counts(on_error failed = {}) const
    {
        clkv_entries_counts out = params<clkv_entries_counts>();
        failed(clkv_entries_get_counts(handle_, &out));
        return out;
    }
};
using entries = owner<entries_ref, clkv_entries, clkv_entries_destroy>;

class batch_ref : public ref<clkv_batch> {
public:
    using ref::ref;
    static void make(clkv_batch **out, manager_ref m, on_error failed = {}) { failed(clkv_batch_create(out, m)); }
    void clear(on_error failed = {}) const { failed(clkv_batch_clear(handle_)); }
    /* The number of the entry. */
    uint32_t add(sequence_ref s, tokens t, on_error failed = {}) const
    {
        return add(s, t.data(), static_cast<uint32_t>(t.size()), failed);
    }
    /* The same for a sequence whose tokens are not told. */
    uint32_t add(sequence_ref s, uint32_t n, on_error failed = {}) const { return add(s, nullptr, n, failed); }
    void pop(on_error failed = {}) const { failed(clkv_batch_pop(handle_)); }
    void reserve(on_error failed = {}) const { failed(clkv_batch_reserve(handle_)); }
    uint32_t missing() const noexcept { return clkv_batch_missing(handle_); }
    sequence_ref victim() const noexcept { return clkv_batch_victim(handle_); }
    void accept(uint32_t entry, uint32_t n, on_error failed = {}) const { failed(clkv_batch_accept(handle_, entry, n)); }
    void commit(on_error failed = {}) const { failed(clkv_batch_commit(handle_)); }
    void rollback(on_error failed = {}) const { failed(clkv_batch_rollback(handle_)); }
    uint32_t size() const noexcept { return clkv_batch_tokens(handle_); } /* in new tokens */
    span<const clkv_batch_entry> entries(on_error failed = {}) const
    {
        return list<clkv_batch_entry>(clkv_batch_get_entries, failed, static_cast<const clkv_batch *>(handle_));
    }
    span<const clkv_eviction> evictions(on_error failed = {}) const
    {
        return list<clkv_eviction>(clkv_batch_get_evictions, failed, handle_);
    }
    span<const int32_t> positions(on_error failed = {}) const
    {
        return list<int32_t>(clkv_batch_get_positions, failed, static_cast<const clkv_batch *>(handle_));
    }
    span<const uint32_t> slots(uint32_t group = 0, on_error failed = {}) const
    {
        return list<uint32_t>(clkv_batch_get_slots, failed, handle_, group);
    }
    span<const clkv_block_copy> copies(uint32_t group = 0, on_error failed = {}) const
    {
        return list<clkv_block_copy>(clkv_batch_get_copies, failed, handle_, group);
    }

private:
    uint32_t add(sequence_ref s, const uint32_t *t, uint32_t n, on_error failed) const
    {
        uint32_t entry = 0;
        failed(clkv_batch_add(handle_, s, t, n, &entry));
        return entry;
    }
    template <class type, class function, class... arguments>
    static span<const type> list(function get, on_error failed, arguments... given)
    {
        const type *out = nullptr;
        uint32_t n = 0;
        failed(get(given..., &out, &n));
        return {out, n};
    }
};
using batch = owner<batch_ref, clkv_batch, clkv_batch_destroy>;

#if CLKV_HAVE_OPENCL
/* ---- the device half ---- */

using events = span<const cl_event>;

class device_ref : public ref<clkv_device> {
public:
    using ref::ref;
    static void make(clkv_device **out, const clkv_device_params &params, on_error failed = {})
    {
        failed(clkv_device_open(out, &params));
    }
    clkv_device_info info(on_error failed = {}) const
    {
        clkv_device_info out = params<clkv_device_info>();
        failed(clkv_device_get_info(handle_, &out));
        return out;
    }
    cl_context context() const noexcept { return clkv_device_context(handle_); }
    cl_device_id id() const noexcept { return clkv_device_id(handle_); }
    cl_command_queue queue() const noexcept { return clkv_device_queue(handle_); }
};
using device = owner<device_ref, clkv_device, clkv_device_close>;

/* The methods that enqueue take the events to wait for, and where an event of theirs goes (NULL: nowhere). */
class cache_ref : public ref<clkv_cache> {
public:
    using ref::ref;
    static void make(clkv_cache **out, device_ref d, const clkv_cache_params &params, on_error failed = {})
    {
        failed(clkv_cache_create(out, d, &params));
    }
    manager_ref manager() const noexcept { return clkv_cache_manager(handle_); }
    device_ref device() const noexcept { return clkv_cache_device(handle_); }
    void warm_up(const clkv_warm_up_params &params, on_error failed = {}) const
    {
        failed(clkv_cache_warm_up(handle_, &params));
    }
    void upload(batch_ref b, const clkv_upload_params &params, events wait = {}, cl_event *event = nullptr,
                on_error failed = {}) const
    {
        failed(clkv_cache_upload(handle_, b, &params, number(wait), wait.data(), event));
    }
    void append(batch_ref b, const clkv_append_params &params, events wait = {}, cl_event *event = nullptr,
                on_error failed = {}) const
    {
        failed(clkv_append(handle_, b, &params, number(wait), wait.data(), event));
    }
    void attention(batch_ref b, const clkv_attention_params &params, events wait = {}, cl_event *event = nullptr,
                   on_error failed = {}) const
    {
        failed(clkv_attention(handle_, b, &params, number(wait), wait.data(), event));
    }
    void gather(sequence_ref s, const clkv_gather_params &params, events wait = {}, cl_event *event = nullptr,
                on_error failed = {}) const
    {
        failed(clkv_gather(handle_, s, &params, number(wait), wait.data(), event));
    }
    void copy_blocks(span<const clkv_block_copy> copies, events wait = {}, cl_event *event = nullptr,
                     on_error failed = {}) const
    {
        failed(clkv_copy_blocks(handle_, 0, copies.data(), static_cast<uint32_t>(copies.size()), number(wait),
                                wait.data(), event));
    }
    /* Returns the moves; they belong to the cache until the next call. */
    span<const clkv_block_copy> shrink(const clkv_shrink_params &params, events wait = {}, cl_event *event = nullptr,
                                       on_error failed = {}) const
    {
        const clkv_block_copy *moves = nullptr;
        uint32_t n = 0;
        failed(clkv_cache_shrink(handle_, &params, &moves, &n, number(wait), wait.data(), event));
        return {moves, n};
    }
    void check(on_error failed = {}) const { failed(clkv_cache_check(handle_)); }
    clkv_stats stats(on_error failed = {}) const
    {
        clkv_stats out = params<clkv_stats>();
        failed(clkv_cache_get_stats(handle_, &out));
        return out;
    }

private:
    static cl_uint number(events wait) noexcept { return static_cast<cl_uint>(wait.size()); }
};
using cache = owner<cache_ref, clkv_cache, clkv_cache_destroy>;
#endif

} // namespace clkv

/* A clkv_status is a std::error_code of this category. */
template <> struct std::is_error_code_enum<clkv_status> : std::true_type {};
inline std::error_code make_error_code(clkv_status status) noexcept
{
    return {static_cast<int>(status), clkv::category()};
}

#endif
