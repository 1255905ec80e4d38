// tso.h: x86's memory, and a search through every state of a model that lives in it.
//
// A store goes to the end of its thread's buffer, and leaves that at any later moment; a load looks there first. A locked
// instruction waits until its thread's buffer is empty.
#ifndef VTI_TESTS_TSO_H
#define VTI_TESTS_TSO_H

#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_set>

// Bytes only, here and in what a model adds: states are compared as memory.
template <int words, int threads, int depth> struct tso_memory {
    uint8_t word[words], too_small; // what was found with a full buffer is worth nothing
    struct {
        uint8_t stores, at[depth], value[depth];
    } buffer[threads];

    uint8_t load(int t, int at) const {
        for (int i = buffer[t].stores; i-- > 0;) {
            if (buffer[t].at[i] == at)
                return buffer[t].value[i];
        }
        return word[at];
    }
    void store(int t, int at, int value) {
        auto &b = buffer[t];
        too_small |= b.stores == depth - 1;
        b.at[b.stores] = static_cast<uint8_t>(at);
        b.value[b.stores++] = static_cast<uint8_t>(value);
    }
    bool is_empty(int t) const { return buffer[t].stores == 0; }
    void drain(int t) { // the oldest
        auto &b = buffer[t];
        word[b.at[0]] = b.value[0];
        b.stores--;
        memmove(b.at, b.at + 1, depth - 1);
        memmove(b.value, b.value + 1, depth - 1);
    }
    void drain_all(int t) {
        while (!is_empty(t))
            drain(t);
    }
};

template <class State> struct bytes_hash {
    size_t operator()(const State &s) const {
        uint64_t h = 0, word;
        for (size_t i = 0, n; i < sizeof s; i += n) {
            n = sizeof s - i < sizeof word ? sizeof s - i : sizeof word;
            word = 0;
            memcpy(&word, reinterpret_cast<const char *>(&s) + i, n);
            h = (h ^ word) * 0x9e3779b97f4a7c15u;
            h ^= h >> 32;
        }
        return h;
    }
};
template <class State> struct bytes_equal {
    bool operator()(const State &a, const State &b) const { return memcmp(&a, &b, sizeof a) == 0; }
};

// Depth first. A model has `threads`; State (with a tso_memory `m`, a `fault`, and the threads' `pc`); step(state, thread,
// choice) for each of `choices`, false if there is none; is_good_end(state), when nobody can do anything.
template <class Model> struct every_state {
    using State = typename Model::State;
    const Model &model;
    std::unordered_set<State, bytes_hash<State>, bytes_equal<State>> seen;
    std::string history; // of the state that is looked at: thread:pc, and thread- where a store leaves its buffer
    bool too_small;

    explicit every_state(const Model &of) : model(of), too_small(false) {}

    // False: the history leads to what must not be.
    bool is_sound(const State &s) {
        if (!seen.insert(s).second)
            return true;
        too_small |= s.m.too_small != 0;
        if (s.fault != 0)
            return false;
        bool ended = true;
        for (int t = 0; t < Model::threads; t++) {
            for (int choice = 0; choice <= Model::choices; choice++) {
                State after = s;
                bool drains = choice == Model::choices;
                if (drains ? s.m.is_empty(t) : !model.step(after, t, choice))
                    continue;
                if (drains)
                    after.m.drain(t);
                ended = false;
                size_t length = history.size();
                history += " " + std::to_string(t) + (drains ? "-" : ":" + std::to_string(s.cpu[t].pc));
                if (!is_sound(after))
                    return false;
                history.resize(length);
            }
        }
        return !ended || model.is_good_end(s);
    }
};

#endif
