// tso.cpp: the private end of lib/sched/private.h on x86: every interleaving, and every moment at which a store leaves its
// thread's buffer.
//
// Relacy (private.cpp, request.cpp) runs the product's own source through some interleavings; here is a transcription, one
// step for each access to a shared word, and all of them. A light barrier is nothing; a membarrier empties every thread's
// buffer, one after the other. What only the owner writes it reads without a step. A tag has 4 bits: no history here is
// long enough for it to come round (that is checked), so nothing is lost.
#include "tso.h"

#include <cstdio>

// The words. Guard and bottom are indices; limit is 0 (somebody asks) or 1; an empty slot is 0.
enum { BOTTOM, GUARD, LIMIT, WORKS, BOUNDARY, SLOT, SLOTS = 3, WORDS = SLOT + SLOTS, INFINITE = SLOTS + 1 };
enum { TOP = 3, OPEN = 4, LOCKED = 8, TAG = 16 }; // the boundary's bits
enum { THREADS = 3, CHILDREN = 4, DEPTH = 14 };

enum mutant {
    SOUND,
    TAG_OF_LOCK, // less than the product does, and sound: take and unlock leave the tag as it is
    NO_MEMBARRIER,
    NO_GUARD, // the pop does not look at it
    TAG_KEPT, // by the lock and the unlock
    GUARD_AFTER_TAG,
    OPEN_KEPT,
    LOCK_WITHOUT_CAS,
    TAKE_WITHOUT_CAS
};

// What the threads do. The owner, the first: + forks, - joins the newest, o the oldest, g gives the oldest, t tidies up
// (its frame ends). Others: f takes by force, w without, s asks and falls asleep. Silent: children stay unjoined.
enum kernel { YES, NEVER, REFUSES };
struct setting {
    const char *name, *program[THREADS];
    kernel works;
    bool silent;
};

// What a thread does next: anybody, the owner, the others.
enum { NEXT, PUSH, PUSHED, POP, POP_BACK, LOCK, LOCK_CAS, CLEAR, TIDY, UNLOCK, UNLOCK_GUARD, UNLOCK_TAG };
enum { RAISE_GUARD = UNLOCK_TAG + 1, BARRIER, EACH_BUFFER, LOOK, TAKE_BOTTOM, TAKE_SLOT, TAKE_CHILD, TAKE_CAS };

struct State {
    tso_memory<WORDS, THREADS, DEPTH> m;
    uint8_t runs[CHILDREN + 1], forks, given, woken, asleep, fault;
    struct {
        uint8_t pc, op, boundary, index, bottom, child, works;
    } cpu[THREADS];
};

// One thread in one state.
struct Thread {
    const setting &in;
    mutant without;
    State &s;
    int t;
    decltype(s.cpu[0]) &c = s.cpu[t];
    char op = in.program[t][c.op];

    uint8_t load(int at) const { return s.m.load(t, at); }
    void store(int at, int value) { s.m.store(t, at, value); }
    bool go(int pc) {
        c.pc = static_cast<uint8_t>(pc);
        return true;
    }
    bool next() {
        c = {NEXT, static_cast<uint8_t>(c.op + 1), 0, 0, 0, 0, 0};
        return true;
    }
    bool none() {
        s.asleep |= op == 's';
        return next();
    }
    void run(int child) { s.fault |= child == 0 || ++s.runs[child] > 1; }
    uint8_t tagged(int boundary, int tags) {
        s.m.too_small |= boundary + tags * TAG > 255;
        return static_cast<uint8_t>(boundary + tags * TAG);
    }
    // False: the buffer is to be emptied first.
    bool cas(uint8_t expected, uint8_t value, bool *done) {
        if (!s.m.is_empty(t))
            return false;
        *done = load(BOUNDARY) == expected;
        s.m.word[BOUNDARY] = *done ? value : load(BOUNDARY);
        return true;
    }
    bool begin();
    bool begin_join();
    bool lock();
    bool unlock();
    bool unlocked();
    bool owner();
    bool barrier(bool refused);
    bool take();
    bool other(bool refused);
};

bool Thread::begin_join() {
    int newest = load(BOTTOM) - 1, at = op == 'o' ? 0 : newest;
    while (load(SLOT + at) == 0)
        at += op == 'o' ? 1 : -1;
    c.index = static_cast<uint8_t>(at);
    c.child = load(SLOT + at);
    if (at != newest)
        return go(LOCK);
    store(BOTTOM, at);
    return go(POP);
}

bool Thread::begin() {
    switch (op) {
    case '+':
        c.child = ++s.forks;
        c.index = load(BOTTOM);
        store(SLOT + c.index, c.child);
        return go(PUSH);
    case '-':
    case 'o':
        return begin_join();
    case 'g':
        return go(LOCK);
    case 't':
        return load(BOTTOM) > 0 ? go(LOCK) : next();
    case 's':
        if (!s.m.is_empty(t))
            return false;
        s.m.word[LIMIT] = 0;
        return go(RAISE_GUARD);
    case 'f':
    case 'w':
        c.boundary = load(BOUNDARY);
        if ((c.boundary & LOCKED) != 0)
            return next();
        return (c.boundary & OPEN) != 0 ? go(TAKE_BOTTOM) : op == 'f' ? go(RAISE_GUARD) : next();
    default:
        return false;
    }
}

bool Thread::lock() {
    uint8_t locked = tagged((c.boundary & ~OPEN) + LOCKED, without != TAG_KEPT);
    bool done = without == LOCK_WITHOUT_CAS;
    if (done) {
        store(BOUNDARY, locked);
    } else if (!cas(c.boundary, locked, &done)) {
        return false;
    }
    if (!done) {
        c.boundary = load(BOUNDARY);
        return true;
    }
    return go(op == 'g' ? UNLOCK : op == 't' ? TIDY : CLEAR);
}

// A child that is not private any more is a thief's, whose CAS came before the lock, unless it was given.
bool Thread::unlocked() {
    if (op == '-' || op == 'o') {
        if (c.index >= (c.boundary & TOP) || (s.given & 1 << c.child) != 0) {
            run(c.child);
        } else {
            s.fault |= s.runs[c.child] != 1;
        }
    }
    return next();
}

bool Thread::unlock() {
    int top = c.boundary & TOP, bottom = load(BOTTOM);
    if (op == 'g' && top < bottom) {
        s.given |= static_cast<uint8_t>(1 << load(SLOT + top));
        top++;
    }
    top = top < bottom ? top : bottom;
    if (c.pc == UNLOCK_GUARD) {
        store(GUARD, c.works != 0 ? top : INFINITE);
        return without == GUARD_AFTER_TAG ? unlocked() : go(UNLOCK_TAG);
    }
    int open = (c.works != 0 ? 0 : OPEN) | (without == OPEN_KEPT ? c.boundary & OPEN : 0);
    int tags = without == TAG_KEPT ? 0 : without == TAG_OF_LOCK ? 1 : 2;
    store(BOUNDARY, tagged((c.boundary & ~(TAG - 1)) | open | top, tags));
    return without == GUARD_AFTER_TAG ? go(UNLOCK_GUARD) : unlocked();
}

bool Thread::owner() {
    int bottom = load(BOTTOM);
    switch (c.pc) {
    case PUSH:
        store(BOTTOM, c.index + 1);
        return go(PUSHED);
    case PUSHED:
        s.woken |= load(LIMIT) == 0;
        return next();
    case POP:
        if (load(GUARD) > c.index && without != NO_GUARD)
            return go(POP_BACK);
        run(c.child);
        return next();
    case POP_BACK:
        store(BOTTOM, c.index + 1);
        return go(LOCK);
    case LOCK:
        c.boundary = load(BOUNDARY);
        return go(LOCK_CAS);
    case LOCK_CAS:
        return lock();
    case CLEAR:
        store(SLOT + c.index, 0);
        return go(TIDY);
    case TIDY:
        while (bottom > 0 && load(SLOT + bottom - 1) == 0)
            bottom--;
        store(BOTTOM, bottom);
        return go(UNLOCK);
    case UNLOCK:
        c.works = load(WORKS);
        return go(without == GUARD_AFTER_TAG ? UNLOCK_TAG : UNLOCK_GUARD);
    default:
        return unlock();
    }
}

// A thief gives up without it, a sleeper looks all the same.
bool Thread::barrier(bool refused) {
    bool works = load(WORKS) != 0;
    if (without == NO_MEMBARRIER)
        return go(op == 's' ? LOOK : TAKE_BOTTOM);
    if (refused && works)
        store(WORKS, 0);
    if (refused || !works)
        return op == 's' ? go(LOOK) : next();
    return s.m.is_empty(t) && go(EACH_BUFFER);
}

bool Thread::take() {
    uint8_t taken = tagged((c.boundary & ~(TAG - 1)) | OPEN | (c.index + 1), without != TAG_OF_LOCK);
    bool done = load(BOUNDARY) == c.boundary;
    if (without != TAKE_WITHOUT_CAS) {
        if (!cas(c.boundary, taken, &done))
            return false;
    } else if (done) {
        store(BOUNDARY, taken);
    }
    if (done)
        run(c.child);
    return next();
}

bool Thread::other(bool refused) {
    switch (c.pc) {
    case RAISE_GUARD:
        store(GUARD, INFINITE);
        return go(BARRIER);
    case BARRIER:
        return barrier(refused);
    case EACH_BUFFER:
        s.m.drain_all(c.index);
        if (++c.index < THREADS)
            return true;
        return go(op == 's' ? LOOK : TAKE_BOTTOM);
    case LOOK:
        c.boundary = load(BOUNDARY);
        return go(TAKE_BOTTOM);
    case TAKE_BOTTOM:
        c.bottom = load(BOTTOM);
        c.index = c.boundary & TOP;
        return c.index < c.bottom ? go(TAKE_SLOT) : none();
    case TAKE_SLOT:
        if (load(SLOT + c.index) != 0)
            return op == 's' ? next() : go(TAKE_CHILD);
        return ++c.index < c.bottom ? true : none();
    case TAKE_CHILD:
        c.child = load(SLOT + c.index);
        return go(TAKE_CAS);
    default:
        return take();
    }
}

struct Model {
    using State = ::State;
    enum { threads = THREADS, choices = 2 };
    const setting &in;
    mutant without;

    // The second choice is the kernel's: it refuses.
    bool step(State &s, int thread, int choice) const {
        Thread t = {in, without, s, thread};
        if (choice == 1 && (in.works != REFUSES || t.c.pc != BARRIER))
            return false;
        return t.c.pc == NEXT ? t.begin() : thread == 0 ? t.owner() : t.other(choice == 1);
    }
    bool is_good_end(const State &s) const {
        int top = s.m.word[BOUNDARY] & TOP, bottom = s.m.word[BOTTOM];
        bool good = in.silent || (bottom == 0 && top == 0);
        for (int child = 1; !in.silent && child <= s.forks; child++)
            good = good && s.runs[child] == 1;
        for (int i = top; i < bottom; i++) // private still: somebody is awake
            good = good && (s.m.word[SLOT + i] == 0 || !s.asleep || s.woken);
        return good;
    }
};

static int check(const setting &in, const char *name = "", bool sound = true, mutant without = SOUND) {
    State s;
    memset(&s, 0, sizeof s);
    bool works = in.works != NEVER;
    s.m.word[GUARD] = works ? 0 : INFINITE;
    s.m.word[LIMIT] = works; // else requests stand for good
    s.m.word[WORKS] = works;
    s.m.word[BOUNDARY] = works ? 0 : OPEN;
    Model model = {in, without};
    every_state<Model> all(model);
    bool survived = all.is_sound(s), right = survived == sound && !all.too_small;
    std::printf("tso, %-18s %-32s %s after %zu states: %s\n", in.name, name, survived ? "sound" : "caught",
                all.seen.size(), right ? "as it must be" : "WRONG");
    if (!right)
        std::printf("%s%s\n", all.too_small ? "the model is too small; " : "", all.history.c_str());
    return right ? 0 : 1;
}

int main() {
    const setting one = {"one thief", {"++--+-+-", "fff", ""}, YES, false};
    const setting two = {"two thieves", {"++--+-", "ff", "fw"}, YES, false};
    const setting order = {"out of order", {"+++o--t", "ff", "fw"}, YES, false};
    const setting give = {"give", {"++g+---", "ff", "fw"}, YES, false};
    const setting never = {"no membarrier", {"++--++o-t", "ww", "w"}, NEVER, false};
    const setting refused = {"refused later", {"++--+o", "ff", "fw"}, REFUSES, false};
    const setting sleeper = {"a sleeper", {"+-++", "s", "f"}, YES, true};
    const setting sleeper_never = {"a sleeper, none", {"+-++", "s", "f"}, NEVER, true};
    const setting sleeper_refused = {"a sleeper, refused", {"+-++", "s", "f"}, REFUSES, true};
    int wrong = 0;
    for (auto in : {&one, &two, &order, &give, &never, &refused, &sleeper, &sleeper_never})
        wrong += check(*in);
    wrong += check(two, "the lock alone changes the tag", true, TAG_OF_LOCK);
    wrong += check(one, "mutant: no membarrier", false, NO_MEMBARRIER);
    wrong += check(one, "mutant: pop without the guard", false, NO_GUARD);
    wrong += check(one, "mutant: lock, unlock keep tag", false, TAG_KEPT);
    wrong += check(one, "mutant: guard after the tag", false, GUARD_AFTER_TAG);
    wrong += check(one, "mutant: OPEN kept", false, OPEN_KEPT);
    wrong += check(one, "mutant: lock without CAS", false, LOCK_WITHOUT_CAS);
    wrong += check(two, "mutant: take without CAS", false, TAKE_WITHOUT_CAS);
    wrong += check(sleeper, "mutant: no membarrier", false, NO_MEMBARRIER);
    wrong += check(sleeper_refused, "the gap: a silent owner", false); // see request.cpp
    return wrong;
}
