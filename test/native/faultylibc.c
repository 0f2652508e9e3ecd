/*
 * A libc that fails. A test gives it to the transport in place of the real one; it forwards every call and, by seed
 * and rate, lets it fail as the real one may: what an application sees in a bad year, in a second.
 *
 * What the library does not define (statx, fcntl, ...) the loader finds in the libc that it depends on. kqueue and
 * kevent come from the library that KESTREL_TEST_KQUEUE_LIBRARY names, in the layout of 64-bit macOS.
 *
 * Rules kept, so that a program that hangs or loses bytes is wrong and not merely unlucky:
 *
 *  - An edge-triggered program may wait after EAGAIN, and after a read or write that brought less than it asked for
 *    (epoll(7), questions 9). So each injected EAGAIN, short read and short write of a registered descriptor is
 *    followed, a few milliseconds later, by an injected edge. A descriptor that is not registered never gets one, and
 *    one that is registered for input only gets none for output.
 *  - A delayed event is delivered after some milliseconds, whatever else happens, unless its descriptor is closed.
 *  - Spurious events claim only that a read or write may succeed. End of stream and errors are never made up, but for
 *    descriptors that are closed already: an event fetched before the close, handled after it.
 *  - A reset is one: the call that meets it gets ECONNRESET or EPIPE, later ones end of stream and EPIPE, the poller
 *    reports it, the peer gets a real RST. faulty_broken() tells the test whose it was.
 *  - ECONNABORTED and the like come either for nothing, or for a connection that was there and is then really lost.
 *  - A refused connect() is never made; an interrupted one goes on (connect(2)). A client is told by its own port, which
 *    it has before it connects. Unix sockets only get EAGAIN, as from a listener that is full.
 *  - write() to an eventfd is not made to fail: it cannot. Any call may be slow.
 *
 * Choices depend on the seed, on the descriptor's number in order of creation, and on the number of choices made for it
 * before; so a run repeats as far as the threads do.
 *
 * It also keeps books: a close of a descriptor that the transport does not own, or a call on one that it has closed, is
 * refused and noted as a violation.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* ---- what can be injected; the test reads the names ---- */

enum fault {
    READ_SHORT, READ_EINTR, READ_EAGAIN, READ_ECONNRESET, READ_ENOMEM,
    WRITE_SHORT, WRITE_EINTR, WRITE_EAGAIN, WRITE_ECONNRESET, WRITE_EPIPE, WRITE_ENOBUFS,
    ACCEPT_EINTR, ACCEPT_EAGAIN, ACCEPT_ECONNABORTED, ACCEPT_EPROTO, ACCEPT_EMFILE, ACCEPT_ENFILE, ACCEPT_ENOBUFS,
    ACCEPT_ENOMEM, REGISTER_ENOMEM, SETUP_SHORTAGE, WAIT_EINTR, EVENT_SPURIOUS, EVENT_REPEATED, EVENT_DELAYED,
    EVENT_REORDERED, EVENT_SPLIT, EVENT_STALE, CLOSE_EINTR, SLEEP_EINTR, CALL_SLOW,
    CONNECT_EINTR, CONNECT_EAGAIN, CONNECT_ECONNREFUSED, CONNECT_SHORTAGE, RUN_REFUSED,
    FAULTS
};

static const char *const fault_names[FAULTS] = {
    "read-short", "read-EINTR", "read-EAGAIN", "read-ECONNRESET", "read-ENOMEM",
    "write-short", "write-EINTR", "write-EAGAIN", "write-ECONNRESET", "write-EPIPE", "write-ENOBUFS",
    "accept-EINTR", "accept-EAGAIN", "accept-ECONNABORTED", "accept-EPROTO", "accept-EMFILE", "accept-ENFILE",
    "accept-ENOBUFS", "accept-ENOMEM", "register-ENOMEM", "setup-shortage", "wait-EINTR", "event-spurious",
    "event-repeated", "event-delayed", "event-reordered", "event-split", "event-stale", "close-EINTR", "sleep-EINTR",
    "call-slow", "connect-EINTR", "connect-EAGAIN", "connect-ECONNREFUSED", "connect-shortage", "run-refused",
};

/* ---- kqueue as 64-bit macOS has it ---- */

struct kevent {
    uintptr_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    intptr_t data;
    void *udata;
};

enum { EVFILT_READ = -1, EVFILT_WRITE = -2, EV_ADD = 1, EV_DELETE = 2, EV_ERROR = 0x4000, EV_EOF = 0x8000 };

/* ---- state ---- */

enum { MAX_FD = 65536, MAX_EVENT = sizeof(struct kevent), MAX_VECTORS = 1024, SLICE_NS = 2000000 };

enum ownership { UNKNOWN, OPEN, CLOSED };

enum directions { READS = 1, WRITES = 2, BREAKS = 4 };

struct descriptor {
    enum ownership ownership;
    uint32_t serial;
    uint64_t choices;
    bool is_kqueue;
    bool is_datagram;  /* what is cut short of a datagram is lost */
    bool is_unix;      /* has no port, so that a loss could not be told from one that nobody injected */
    bool broken;       /* reset: nothing goes in or out any more */
    bool write_broken; /* the peer, which has finished sending, takes nothing any more */
    uint16_t port; /* the client's, at either end */
    int poller;    /* where it is registered, or -1 */
    struct epoll_event epoll;
    struct kevent read_event, write_event;
};

struct held {
    struct held *next;
    int64_t due;
    int poller;
    int fd; /* -1: not known, a delayed event */
    unsigned char event[MAX_EVENT];
};

struct note {
    int64_t time;
    int thread;
    int fd;
    uint32_t serial;
    const char *what;
    int64_t detail;
};

enum { NOTES = 1 << 14 };

static struct descriptor table[MAX_FD];
static uint8_t broken_ports[65536];
static struct held *held_events;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile bool active;
static uint64_t seed;
static uint32_t rates[FAULTS];
static uint64_t counts[FAULTS];
static uint32_t serials;
static int highest_fd;
static struct note notes[NOTES];
static uint64_t note_count;
static bool holds_shutdowns;
static int held_shutdowns;
static pthread_cond_t shutdowns_go = PTHREAD_COND_INITIALIZER;
static char violations[16384];
static size_t violation_length;

/* ---- the real ones ---- */

static __typeof__(recv) *real_recv;
static __typeof__(recvmsg) *real_recvmsg;
static __typeof__(recvmmsg) *real_recvmmsg;
static __typeof__(send) *real_send;
static __typeof__(sendmsg) *real_sendmsg;
static __typeof__(sendmmsg) *real_sendmmsg;
static __typeof__(accept4) *real_accept4;
static __typeof__(socket) *real_socket;
static __typeof__(open) *real_open;
static __typeof__(bind) *real_bind;
static __typeof__(listen) *real_listen;
static __typeof__(connect) *real_connect;
static __typeof__(shutdown) *real_shutdown;
static __typeof__(write) *real_write;
static __typeof__(close) *real_close;
static __typeof__(setsockopt) *real_setsockopt;
static __typeof__(epoll_create1) *real_epoll_create1;
static __typeof__(epoll_ctl) *real_epoll_ctl;
static __typeof__(epoll_wait) *real_epoll_wait;
static __typeof__(poll) *real_poll;
static __typeof__(nanosleep) *real_nanosleep;
static __typeof__(read) *real_read;
static int (*real_eventfd)(unsigned, int);
static int (*real_timerfd_create)(int, int);
static int (*real_timerfd_settime)(int, int, const struct itimerspec *, struct itimerspec *);
static int (*real_kqueue)(void);
static int (*real_kevent)(int, const struct kevent *, int, struct kevent *, int, const struct timespec *);

static void *next_library;

__attribute__((constructor)) static void find_real_functions(void)
{
    const char *library = getenv("KESTREL_TEST_KQUEUE_LIBRARY");
    Dl_info here;
    char path[PATH_MAX];
    if (library == NULL || *library == 0) {
        library = "libc.so.6";
    } else if (*library != '/' && dladdr(rates, &here) != 0) {
        const char *end = strrchr(here.dli_fname, '/');
        snprintf(path, sizeof path, "%.*s/%s", (int)(end - here.dli_fname), here.dli_fname, library);
        library = path;
    }
    next_library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (next_library == NULL) {
        fprintf(stderr, "faultylibc: %s\n", dlerror());
        abort();
    }
#define FIND(name) *(void **)&real_##name = dlsym(next_library, #name)
    FIND(recv); FIND(recvmsg); FIND(send); FIND(sendmsg); FIND(accept4); FIND(socket); FIND(bind); FIND(listen);
    FIND(connect);
    FIND(shutdown); FIND(close); FIND(setsockopt); FIND(epoll_create1); FIND(epoll_ctl); FIND(epoll_wait); FIND(poll);
    FIND(nanosleep); FIND(open); FIND(eventfd); FIND(write); FIND(kqueue); FIND(kevent);
    FIND(read); FIND(timerfd_create); FIND(timerfd_settime); FIND(recvmmsg); FIND(sendmmsg);
}

/* ---- chance and the journal ---- */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static struct descriptor *find(int fd)
{
    return fd >= 0 && fd < MAX_FD ? &table[fd] : NULL;
}

static uint64_t choose(int fd)
{
    struct descriptor *d = find(fd);
    uint64_t number = d == NULL ? 0 : __atomic_fetch_add(&d->choices, 1, __ATOMIC_RELAXED);
    uint64_t x = seed ^ ((uint64_t)(d == NULL ? 0 : d->serial) << 40) ^ (number * 0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

static void note(int fd, const char *what, int64_t detail)
{
    struct note *n = &notes[__atomic_fetch_add(&note_count, 1, __ATOMIC_RELAXED) % NOTES];
    struct descriptor *d = find(fd);
    *n = (struct note){ now_ns(), (int)syscall(SYS_gettid), fd, d == NULL ? 0 : d->serial, what, detail };
}

static bool roll(int fd, enum fault fault)
{
    if (!active || rates[fault] == 0 || choose(fd) % 1000000 >= rates[fault]) {
        return false;
    }
    __atomic_fetch_add(&counts[fault], 1, __ATOMIC_RELAXED);
    if (fault != EVENT_SPURIOUS) {
        note(fd, fault_names[fault], 0);
    }
    return true;
}

/* The thread loses its processor: where calls begin and end is where threads race. */
static void dawdle(int fd)
{
    if (roll(fd, CALL_SLOW)) {
        int error = errno;
        usleep((useconds_t)(choose(fd) % 400));
        errno = error;
    }
}

static int fail(int error)
{
    errno = error;
    return -1;
}

static void violation(const char *what, int fd)
{
    pthread_mutex_lock(&lock);
    if (violation_length < sizeof violations - 200) {
        violation_length += (size_t)snprintf(
            violations + violation_length, sizeof violations - violation_length, "%s, descriptor %d (number %u)\n",
            what, fd, find(fd) == NULL ? 0 : find(fd)->serial);
    }
    pthread_mutex_unlock(&lock);
    note(fd, what, 0);
}

/* A descriptor that the transport has closed may be anybody's by now. */
static bool refuse(int fd, const char *what)
{
    struct descriptor *d = find(fd);
    if (d == NULL || d->ownership != CLOSED) {
        return false;
    }
    violation(what, fd);
    errno = EBADF;
    return true;
}

static int own(int fd)
{
    struct descriptor *d = find(fd);
    if (d != NULL) {
        pthread_mutex_lock(&lock);
        *d = (struct descriptor){ .ownership = OPEN, .serial = ++serials, .poller = -1 };
        highest_fd = fd > highest_fd ? fd : highest_fd;
        pthread_mutex_unlock(&lock);
    }
    return fd;
}

/* ---- held events: each is delivered by a later wait of its poller ---- */

static size_t event_size(int poller)
{
    return find(poller) != NULL && find(poller)->is_kqueue ? sizeof(struct kevent) : sizeof(struct epoll_event);
}

static void hold(int poller, int fd, const void *event, int64_t delay)
{
    struct held *held = calloc(1, sizeof *held);
    if (held == NULL) {
        abort();
    }
    held->due = now_ns() + delay;
    held->poller = poller;
    held->fd = fd;
    memcpy(held->event, event, event_size(poller));
    held->next = held_events;
    held_events = held;
}

/* Up to four milliseconds, often none. */
static int64_t delay_of(int fd)
{
    uint64_t x = choose(fd);
    return x % 3 == 0 ? 0 : (int64_t)(x / 3 % 4000000);
}

/* Lets a registered descriptor become ready a little later. Called with the lock. */
static bool hold_edge(int fd, int directions, int64_t delay)
{
    struct descriptor *d = find(fd);
    if (d == NULL || d->poller < 0) {
        return false;
    }
    if (!find(d->poller)->is_kqueue) {
        struct epoll_event event = d->epoll;
        event.events = (directions & READS ? EPOLLIN : 0) | (directions & WRITES ? EPOLLOUT : 0)
            | (directions & BREAKS ? EPOLLRDHUP | EPOLLHUP | EPOLLERR : 0);
        event.events &= d->epoll.events | EPOLLHUP | EPOLLERR;
        if (event.events != 0) {
            hold(d->poller, fd, &event, delay);
        }
        return true;
    }
    struct kevent *templates[] = { directions & READS ? &d->read_event : NULL, directions & WRITES ? &d->write_event : NULL };
    for (int i = 0; i < 2; i++) {
        if (templates[i] != NULL && templates[i]->filter != 0) {
            struct kevent event = *templates[i];
            event.flags = directions & BREAKS ? EV_EOF : 0;
            event.fflags = directions & BREAKS ? ECONNRESET : 0;
            event.data = directions & BREAKS ? 0 : 1;
            hold(d->poller, fd, &event, delay);
        }
    }
    return true;
}

static bool inject_edge(int fd, int directions)
{
    pthread_mutex_lock(&lock);
    bool held = hold_edge(fd, directions, delay_of(fd));
    pthread_mutex_unlock(&lock);
    return held;
}

static bool is_registered(int fd)
{
    struct descriptor *d = find(fd);
    return d != NULL && d->poller >= 0;
}

/* Moves what is due into the caller's array. Called with the lock. */
static int take_due(int poller, unsigned char *events, int capacity)
{
    int64_t now = now_ns();
    size_t size = event_size(poller);
    int count = 0;
    for (struct held **link = &held_events; *link != NULL && count < capacity;) {
        struct held *held = *link;
        if (held->poller == poller && held->due <= now) {
            memcpy(events + (size_t)count++ * size, held->event, size);
            if (held->fd < 0 || table[held->fd].port != 0) {
                note(held->fd, "edge", 0);
            }
            *link = held->next;
            free(held);
        } else {
            link = &held->next;
        }
    }
    return count;
}

static bool event_is_of(const struct held *held, const struct descriptor *d)
{
    if (held->poller != d->poller) {
        return false;
    }
    if (find(d->poller)->is_kqueue) {
        struct kevent event;
        memcpy(&event, held->event, sizeof event);
        return event.ident == d->read_event.ident && event.udata == d->read_event.udata && d->read_event.filter != 0;
    }
    struct epoll_event event;
    memcpy(&event, held->event, sizeof event);
    return event.data.u64 == d->epoll.data.u64;
}

/* A descriptor is closed: its events go, or, as from a batch that is being worked through, they come late. */
static void forget_registration(int fd)
{
    struct descriptor *d = find(fd);
    pthread_mutex_lock(&lock);
    if (d->poller >= 0 && d->ownership == OPEN) {
        bool stale = roll(fd, EVENT_STALE);
        for (struct held **link = &held_events; *link != NULL && !stale;) {
            struct held *held = *link;
            if (event_is_of(held, d)) {
                *link = held->next;
                free(held);
            } else {
                link = &held->next;
            }
        }
        if (stale) {
            hold_edge(fd, READS | WRITES | BREAKS, delay_of(fd));
        }
        d->poller = -1;
    }
    if (d->ownership == OPEN) {
        for (struct held **link = &held_events; *link != NULL;) {
            struct held *held = *link;
            if (held->poller == fd) {
                *link = held->next;
                free(held);
            } else {
                link = &held->next;
            }
        }
    }
    pthread_mutex_unlock(&lock);
}

/* ---- waiting ---- */

static void hold_spurious(int poller)
{
    if (!roll(poller, EVENT_SPURIOUS)) {
        return;
    }
    int start = (int)(choose(poller) % (uint64_t)(highest_fd + 1));
    for (int i = 0; i <= highest_fd; i++) {
        int fd = (start + i) % (highest_fd + 1);
        if (table[fd].poller == poller) {
            hold_edge(fd, 1 + (int)(choose(poller) % 3), 0);
            return;
        }
    }
}

/* Keeps some of the new events back, copies some. Returns how many stay. Called with the lock. */
static int disturb(int poller, unsigned char *events, int count)
{
    size_t size = event_size(poller);
    int kept = 0;
    int split = count > 1 && roll(poller, EVENT_SPLIT) ? 1 + (int)(choose(poller) % (uint64_t)count) : count;
    for (int i = 0; i < count; i++) {
        unsigned char *event = events + (size_t)i * size;
        if (i >= split) {
            hold(poller, -1, event, 0);
        } else if (roll(poller, EVENT_DELAYED)) {
            hold(poller, -1, event, (int64_t)(choose(poller) % 6000000));
        } else {
            if (roll(poller, EVENT_REPEATED)) {
                hold(poller, -1, event, (int64_t)(choose(poller) % 6000000));
            }
            memmove(events + (size_t)kept++ * size, event, size);
        }
    }
    return kept;
}

static void reorder(int poller, unsigned char *events, int count)
{
    size_t size = event_size(poller);
    if (count < 2 || !roll(poller, EVENT_REORDERED)) {
        return;
    }
    for (int i = count - 1; i > 0; i--) {
        size_t other = (size_t)(choose(poller) % (uint64_t)(i + 1));
        unsigned char saved[MAX_EVENT];
        memcpy(saved, events + (size_t)i * size, size);
        memcpy(events + (size_t)i * size, events + other * size, size);
        memcpy(events + other * size, saved, size);
    }
}

static bool is_change_error(int poller, const unsigned char *events, int count)
{
    struct kevent first;
    if (count == 0 || !find(poller)->is_kqueue) {
        return false;
    }
    memcpy(&first, events, sizeof first);
    return (first.flags & EV_ERROR) != 0;
}

static int fetch(int poller, const struct kevent *changes, int change_count, void *events, int capacity, int64_t timeout)
{
    if (find(poller)->is_kqueue) {
        struct timespec duration = { timeout / 1000000000, timeout % 1000000000 };
        return real_kevent(poller, changes, change_count, events, capacity, &duration);
    }
    return real_epoll_wait(poller, events, capacity, (int)((timeout + 999999) / 1000000));
}

/* The waits are short ones, one after another: an event may be held for a waiting poller by another thread. */
static int wait_for_events(
    int poller, const struct kevent *changes, int change_count, unsigned char *events, int capacity, int64_t timeout)
{
    size_t size = event_size(poller);
    int64_t end = timeout < 0 ? INT64_MAX : now_ns() + timeout;
    while (true) {
        pthread_mutex_lock(&lock);
        hold_spurious(poller);
        int count = change_count > 0 ? 0 : take_due(poller, events, capacity);
        pthread_mutex_unlock(&lock);

        int64_t left = end == INT64_MAX ? SLICE_NS : end - now_ns();
        left = count > 0 || left < 0 ? 0 : left > SLICE_NS ? SLICE_NS : left;
        int more = count == capacity ? 0 : fetch(poller, changes, change_count, events + (size_t)count * size, capacity - count, left);
        if (more < 0 && count == 0) {
            return -1;
        }
        if (is_change_error(poller, events + (size_t)count * size, more)) {
            return count + more;
        }
        change_count = 0;
        pthread_mutex_lock(&lock);
        count += more > 0 ? disturb(poller, events + (size_t)count * size, more) : 0;
        reorder(poller, events, count);
        pthread_mutex_unlock(&lock);
        if (count > 0 || now_ns() >= end) {
            return count;
        }
    }
}

EXPORT int epoll_wait(int poller, struct epoll_event *events, int capacity, int timeout)
{
    dawdle(poller);
    if (refuse(poller, "epoll_wait on a closed descriptor")) {
        return -1;
    }
    if (roll(poller, WAIT_EINTR)) {
        return fail(EINTR);
    }
    int count = wait_for_events(
        poller, NULL, 0, (unsigned char *)events, capacity, timeout < 0 ? -1 : timeout * 1000000L);
    dawdle(poller);
    return count;
}

static void forget_peer(int fd)
{
    struct descriptor *d = find(fd);
    if (d != NULL && d->port != 0) {
        broken_ports[d->port] = 1;
    }
}

EXPORT int epoll_ctl(int poller, int operation, int fd, struct epoll_event *event)
{
    dawdle(poller);
    if (refuse(poller, "epoll_ctl on a closed poller") || refuse(fd, "epoll_ctl for a closed descriptor")) {
        return -1;
    }
    struct descriptor *d = find(fd);
    if (operation != EPOLL_CTL_DEL && (d == NULL || !d->is_unix) && roll(fd, REGISTER_ENOMEM)) {
        if (operation == EPOLL_CTL_ADD) {
            forget_peer(fd);
        }
        return fail(ENOMEM);
    }
    if (operation == EPOLL_CTL_DEL && d != NULL) {
        forget_registration(fd);
    }
    pthread_mutex_lock(&lock);
    int result = real_epoll_ctl(poller, operation, fd, event);
    if (result == 0 && operation != EPOLL_CTL_DEL && d != NULL) {
        d->epoll = *event;
        d->poller = poller;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

EXPORT int kqueue(void)
{
    if (real_kqueue == NULL) {
        return fail(ENOSYS);
    }
    if (roll(0, SETUP_SHORTAGE)) {
        return fail(EMFILE);
    }
    int fd = own(real_kqueue());
    if (fd >= 0) {
        table[fd].is_kqueue = true;
    }
    return fd;
}

static bool is_of_socket(const struct kevent *change)
{
    return change->filter == EVFILT_READ || change->filter == EVFILT_WRITE;
}

/* Why the kernel refuses a change, or 0. */
static int refusal(const struct kevent *change)
{
    int fd = (int)change->ident;
    if (!is_of_socket(change)) {
        return 0;
    }
    if (refuse(fd, "kevent for a closed descriptor")) {
        return EBADF;
    }
    return (change->flags & EV_ADD) != 0 && roll(fd, REGISTER_ENOMEM) ? ENOMEM : 0;
}

static void remember(int poller, const struct kevent *change)
{
    struct descriptor *d = find((int)change->ident);
    if (d == NULL || !is_of_socket(change)) {
        return;
    }
    if ((change->flags & EV_DELETE) != 0) {
        forget_registration((int)change->ident);
    } else if ((change->flags & EV_ADD) != 0) {
        pthread_mutex_lock(&lock);
        *(change->filter == EVFILT_READ ? &d->read_event : &d->write_event) = *change;
        d->poller = poller;
        pthread_mutex_unlock(&lock);
    }
}

/*
 * Each change may be refused by itself, and the others are made all the same: the errors come as events, without any
 * other, or, where there is no room, as the call's error (kqueue(2)).
 */
static int change_and_wait(
    int poller, const struct kevent *changes, int change_count, struct kevent *events, int capacity,
    const struct timespec *timeout)
{
    struct kevent made[change_count + 1];
    int made_count = 0, refused_count = 0;
    for (int i = 0; i < change_count; i++) {
        int error = refusal(&changes[i]);
        if (error == 0) {
            remember(poller, &changes[i]);
            made[made_count++] = changes[i];
        } else if (refused_count == capacity) {
            (void)real_kevent(poller, made, made_count, NULL, 0, NULL);
            return fail(error);
        } else {
            events[refused_count] = changes[i];
            events[refused_count].flags = EV_ERROR;
            events[refused_count++].data = error;
        }
    }
    if (capacity == 0) {
        return real_kevent(poller, made, made_count, events, 0, timeout);
    }
    if (refused_count != 0) {
        return real_kevent(poller, made, made_count, NULL, 0, NULL) < 0 ? -1 : refused_count;
    }
    return wait_for_events(
        poller, made, made_count, (unsigned char *)events, capacity,
        timeout == NULL ? -1 : timeout->tv_sec * 1000000000L + timeout->tv_nsec);
}

EXPORT int kevent(
    int poller, const struct kevent *changes, int change_count, struct kevent *events, int capacity,
    const struct timespec *timeout)
{
    dawdle(poller);
    if (refuse(poller, "kevent on a closed descriptor")) {
        return -1;
    }
    /* An interrupted kevent has made its changes (kqueue(2)); with changes, it is left alone. */
    if (change_count == 0 && roll(poller, WAIT_EINTR)) {
        return fail(EINTR);
    }
    int count = change_and_wait(poller, changes, change_count, events, capacity, timeout);
    dawdle(poller);
    return count;
}

/* Not made to fail: to an eventfd it cannot. */
EXPORT ssize_t write(int fd, const void *buffer, size_t length)
{
    dawdle(fd);
    if (refuse(fd, "write on a closed descriptor")) {
        return -1;
    }
    ssize_t result = real_write(fd, buffer, length);
    dawdle(fd);
    return result;
}

EXPORT int poll(struct pollfd *descriptors, nfds_t count, int timeout)
{
    if (roll(0, WAIT_EINTR)) {
        return fail(EINTR);
    }
    if (count == 1) {
        bool due = false;
        pthread_mutex_lock(&lock);
        int64_t now = now_ns();
        for (struct held *held = held_events; held != NULL && !due; held = held->next) {
            due = held->poller == descriptors->fd && held->due <= now;
        }
        pthread_mutex_unlock(&lock);
        if (due) {
            descriptors->revents = POLLIN;
            return 1;
        }
    }
    return real_poll(descriptors, count, timeout);
}

/* ---- sockets ---- */

static int tcp_state(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    return find(fd)->port == 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ? 0 : info.tcpi_state;
}

/*
 * The connection ends here and now. The kernel's half is tcp_disconnect(), which drops what is unread and sends a RST.
 * After the peer's FIN a reset would not take away what came before it, so then only sending fails.
 */
static bool can_reset(int fd, bool writing)
{
    int state = find(fd)->port == 0 ? 0 : tcp_state(fd);
    return state == TCP_ESTABLISHED || (writing && state == TCP_CLOSE_WAIT);
}

static int reset(int fd, int error)
{
    struct descriptor *d = find(fd);
    forget_peer(fd);
    if (tcp_state(fd) == TCP_ESTABLISHED) {
        struct sockaddr none = { .sa_family = AF_UNSPEC };
        d->broken = true;
        (void)real_connect(fd, &none, sizeof none);
        inject_edge(fd, READS | WRITES | BREAKS);
    } else {
        d->write_broken = true;
    }
    return fail(error);
}

/* Whether a receive ends here; its result is then in *result. */
static bool before_read(int fd, ssize_t *result)
{
    struct descriptor *d = find(fd);
    *result = -1;
    dawdle(fd);
    if (refuse(fd, "recv on a closed descriptor")) {
        return true;
    }
    if (d == NULL || d->ownership != OPEN) {
        return false;
    }
    if (d->broken) {
        *result = 0;
        return true;
    }
    if (roll(fd, READ_EINTR)) {
        return fail(EINTR);
    }
    if (is_registered(fd) && roll(fd, READ_EAGAIN)) {
        inject_edge(fd, READS);
        return fail(EAGAIN);
    }
    if (roll(fd, READ_ENOMEM)) {
        return fail(choose(fd) % 2 == 0 ? ENOMEM : ENOBUFS);
    }
    return rates[READ_ECONNRESET] != 0 && can_reset(fd, false) && roll(fd, READ_ECONNRESET) && reset(fd, ECONNRESET);
}

/* How much of it to pass on: often very little. */
static size_t shorten(int fd, size_t length)
{
    uint64_t x = choose(fd);
    size_t most = length - 1;
    return 1 + x / 4 % (x % 4 == 0 && most > 8 ? 8 : most);
}

static size_t total(const struct msghdr *message)
{
    size_t length = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        length += message->msg_iov[i].iov_len;
    }
    return length;
}

/* A copy of the message's vectors, cut off after so many bytes. */
static struct msghdr cut(const struct msghdr *message, struct iovec *vectors, size_t length)
{
    struct msghdr result = *message;
    size_t count = 0;
    for (; length > 0; count++) {
        vectors[count] = message->msg_iov[count];
        vectors[count].iov_len = vectors[count].iov_len < length ? vectors[count].iov_len : length;
        length -= vectors[count].iov_len;
    }
    result.msg_iov = vectors;
    result.msg_iovlen = count;
    return result;
}

static ssize_t after_short(int fd, ssize_t result, size_t asked, int direction)
{
    if (result == (ssize_t)asked) {
        inject_edge(fd, direction);
    }
    return result;
}

static bool is_datagram(int fd)
{
    struct descriptor *d = find(fd);
    return d != NULL && d->ownership == OPEN && d->is_datagram;
}

static bool can_shorten(int fd, const struct msghdr *message, size_t length)
{
    return length > 1 && message->msg_iovlen <= MAX_VECTORS && is_registered(fd) && !is_datagram(fd);
}

EXPORT ssize_t recv(int fd, void *buffer, size_t length, int flags)
{
    ssize_t result;
    if (before_read(fd, &result)) {
        return result;
    }
    if (length > 1 && is_registered(fd) && roll(fd, READ_SHORT)) {
        size_t part = shorten(fd, length);
        return after_short(fd, real_recv(fd, buffer, part, flags), part, READS);
    }
    return real_recv(fd, buffer, length, flags);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t result;
    if (before_read(fd, &result)) {
        return result;
    }
    size_t length = total(message);
    if (can_shorten(fd, message, length) && roll(fd, READ_SHORT)) {
        struct iovec vectors[MAX_VECTORS];
        size_t part = shorten(fd, length);
        struct msghdr shorter = cut(message, vectors, part);
        ssize_t received = real_recvmsg(fd, &shorter, flags);
        message->msg_flags = shorter.msg_flags;
        return after_short(fd, received, part, READS);
    }
    return real_recvmsg(fd, message, flags);
}

/* Fewer datagrams than there are. */
EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    ssize_t result;
    if (before_read(fd, &result)) {
        return (int)result;
    }
    if (count > 1 && is_registered(fd) && roll(fd, READ_SHORT)) {
        size_t part = shorten(fd, count);
        return (int)after_short(fd, real_recvmmsg(fd, messages, (unsigned)part, flags, timeout), part, READS);
    }
    return real_recvmmsg(fd, messages, count, flags, timeout);
}

static bool before_write(int fd)
{
    struct descriptor *d = find(fd);
    dawdle(fd);
    if (refuse(fd, "send on a closed descriptor")) {
        return true;
    }
    if (d == NULL || d->ownership != OPEN) {
        return false;
    }
    if (d->broken || d->write_broken) {
        return fail(EPIPE);
    }
    if (roll(fd, WRITE_EINTR)) {
        return fail(EINTR);
    }
    if (is_registered(fd) && roll(fd, WRITE_EAGAIN)) {
        inject_edge(fd, WRITES);
        return fail(EAGAIN);
    }
    if (roll(fd, WRITE_ENOBUFS)) {
        return fail(choose(fd) % 2 == 0 ? ENOMEM : ENOBUFS);
    }
    if ((rates[WRITE_ECONNRESET] | rates[WRITE_EPIPE]) == 0 || !can_reset(fd, true)) {
        return false;
    }
    return (roll(fd, WRITE_ECONNRESET) && reset(fd, ECONNRESET)) || (roll(fd, WRITE_EPIPE) && reset(fd, EPIPE));
}

/* A device that cannot do it, or an MTU that is too small, refuses to cut a message into datagrams (udp(7)). */
static bool refuses_run(int fd, const struct msghdr *message)
{
    struct msghdr *m = (struct msghdr *)message;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT && roll(fd, RUN_REFUSED)) {
            return fail(choose(fd) % 2 == 0 ? EIO : EINVAL);
        }
    }
    return false;
}

/* Ends before a message that fails. The error shows only if that is the first (sendmmsg(2)). */
EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (before_write(fd)) {
        return -1;
    }
    unsigned good = 0;
    while (good < count && !refuses_run(fd, &messages[good].msg_hdr)) {
        good++;
    }
    if (good == 0) {
        return -1;
    }
    if (good > 1 && roll(fd, WRITE_SHORT)) {
        good = (unsigned)shorten(fd, good);
    }
    return real_sendmmsg(fd, messages, good, flags);
}

EXPORT ssize_t send(int fd, const void *buffer, size_t length, int flags)
{
    if (before_write(fd)) {
        return -1;
    }
    if (length > 1 && is_registered(fd) && roll(fd, WRITE_SHORT)) {
        size_t part = shorten(fd, length);
        return after_short(fd, real_send(fd, buffer, part, flags), part, WRITES);
    }
    return real_send(fd, buffer, length, flags);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (before_write(fd)) {
        return -1;
    }
    size_t length = total(message);
    if (is_datagram(fd) && refuses_run(fd, message)) {
        return -1;
    }
    if (can_shorten(fd, message, length) && roll(fd, WRITE_SHORT)) {
        struct iovec vectors[MAX_VECTORS];
        size_t part = shorten(fd, length);
        struct msghdr shorter = cut(message, vectors, part);
        return after_short(fd, real_sendmsg(fd, &shorter, flags), part, WRITES);
    }
    return real_sendmsg(fd, message, flags);
}

/* The connection that would be accepted is lost, or the error comes for nothing. */
static int lose(int fd, int error)
{
    if (choose(fd) % 2 == 0 && !find(fd)->is_unix) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int lost = real_accept4(fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
        if (lost >= 0) {
            struct linger at_once = { 1, 0 };
            broken_ports[ntohs(((struct sockaddr_in *)&address)->sin_port)] = 1;
            (void)real_setsockopt(lost, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            (void)real_close(lost);
        }
    }
    return fail(error);
}

EXPORT int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    if (refuse(listener, "accept4 on a closed descriptor")) {
        return -1;
    }
    if (roll(listener, ACCEPT_EINTR)) {
        return fail(EINTR);
    }
    if (is_registered(listener) && roll(listener, ACCEPT_EAGAIN)) {
        inject_edge(listener, READS);
        return fail(EAGAIN);
    }
    if (roll(listener, ACCEPT_ECONNABORTED)) {
        return lose(listener, ECONNABORTED);
    }
    if (roll(listener, ACCEPT_EPROTO)) {
        return lose(listener, EPROTO);
    }
    static const int shortages[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };
    for (int i = 0; i < 4; i++) {
        if (roll(listener, (enum fault)(ACCEPT_EMFILE + i))) {
            return fail(shortages[i]);
        }
    }
    dawdle(listener);
    int fd = own(real_accept4(listener, address, length, flags));
    if (fd >= 0 && fd < MAX_FD && (address->sa_family == AF_INET || address->sa_family == AF_INET6)) {
        table[fd].port = ntohs(((struct sockaddr_in *)address)->sin_port);
    } else if (fd >= 0 && fd < MAX_FD) {
        table[fd].is_unix = true;
    }
    return fd;
}

EXPORT int socket(int domain, int type, int protocol)
{
    if (roll(0, SETUP_SHORTAGE)) {
        return fail(ENFILE);
    }
    int fd = own(real_socket(domain, type, protocol));
    if (fd >= 0 && fd < MAX_FD) {
        table[fd].is_unix = domain == AF_UNIX;
        table[fd].is_datagram = (type & 0xF) == SOCK_DGRAM;
    }
    return fd;
}

/* A directory or a socket's file, which is not made to fail: only close has to know it. It is never created. */
EXPORT int open(const char *path, int flags, ...)
{
    return own(real_open(path, flags));
}

EXPORT int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return roll(fd, SETUP_SHORTAGE) ? fail(ENOMEM) : real_bind(fd, address, length);
}

/* A client binds before it connects, so that a loss can be told by its port. */
static void note_client(int fd, const struct sockaddr *address)
{
    struct sockaddr_storage local;
    socklen_t length = sizeof local;
    if (address->sa_family != AF_UNIX && getsockname(fd, (struct sockaddr *)&local, &length) == 0) {
        find(fd)->port = ntohs(((struct sockaddr_in *)&local)->sin_port);
    }
}

/* A refusal and a shortage end the attempt. An interrupted connect goes on (connect(2)). */
EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct descriptor *d = find(fd);
    dawdle(fd);
    if (refuse(fd, "connect on a closed descriptor")) {
        return -1;
    }
    if (d == NULL || d->ownership != OPEN) {
        return real_connect(fd, address, length);
    }
    note_client(fd, address);
    if (d->is_unix) {
        return roll(fd, CONNECT_EAGAIN) ? fail(EAGAIN) : real_connect(fd, address, length);
    }
    if (roll(fd, CONNECT_ECONNREFUSED)) {
        forget_peer(fd);
        return fail(ECONNREFUSED);
    }
    if (roll(fd, CONNECT_SHORTAGE)) {
        return fail(ENOBUFS);
    }
    int result = real_connect(fd, address, length);
    if (result < 0 && errno != EINPROGRESS) {
        return -1;
    }
    return roll(fd, CONNECT_EINTR) ? fail(EINTR) : result < 0 ? fail(EINPROGRESS) : 0;
}

EXPORT int listen(int fd, int backlog)
{
    return roll(fd, SETUP_SHORTAGE) ? fail(ENOBUFS) : real_listen(fd, backlog);
}

EXPORT int epoll_create1(int flags)
{
    return roll(0, SETUP_SHORTAGE) ? fail(EMFILE) : own(real_epoll_create1(flags));
}

EXPORT int eventfd(unsigned initial, int flags)
{
    return roll(0, SETUP_SHORTAGE) ? fail(ENOMEM) : own(real_eventfd(initial, flags));
}

EXPORT int timerfd_create(int clock, int flags)
{
    return roll(0, SETUP_SHORTAGE) ? fail(EMFILE) : own(real_timerfd_create(clock, flags));
}

EXPORT int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *previous)
{
    dawdle(fd);
    return refuse(fd, "timerfd_settime on a closed descriptor") ? -1 : real_timerfd_settime(fd, flags, value, previous);
}

/* Of a timer: how the supervisor sleeps under load. */
EXPORT ssize_t read(int fd, void *buffer, size_t length)
{
    if (refuse(fd, "read on a closed descriptor")) {
        return -1;
    }
    ssize_t result = roll(fd, SLEEP_EINTR) ? fail(EINTR) : real_read(fd, buffer, length);
    dawdle(fd);
    return result;
}

EXPORT int shutdown(int fd, int how)
{
    if (refuse(fd, "shutdown on a closed descriptor")) {
        return -1;
    }
    int result = real_shutdown(fd, how);
    pthread_mutex_lock(&lock);
    held_shutdowns++;
    while (holds_shutdowns) {
        pthread_cond_wait(&shutdowns_go, &lock);
    }
    held_shutdowns--;
    pthread_mutex_unlock(&lock);
    return result;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    return refuse(fd, "setsockopt on a closed descriptor") ? -1 : real_setsockopt(fd, level, name, value, length);
}

EXPORT int close(int fd)
{
    struct descriptor *d = find(fd);
    if (d == NULL) {
        return real_close(fd);
    }
    dawdle(fd);
    forget_registration(fd);
    bool interrupted = d->ownership == OPEN && roll(fd, CLOSE_EINTR);

    pthread_mutex_lock(&lock);
    bool owned = d->ownership == OPEN;
    d->ownership = CLOSED;
    pthread_mutex_unlock(&lock);
    if (!owned) {
        violation("close of a descriptor that is not the transport's", fd);
        return fail(EBADF);
    }
    /* Linux closes the descriptor before it reports EINTR (close(2)). */
    int result = real_close(fd);
    return interrupted ? fail(EINTR) : result;
}

EXPORT int nanosleep(const struct timespec *duration, struct timespec *remaining)
{
    return roll(0, SLEEP_EINTR) ? fail(EINTR) : real_nanosleep(duration, remaining);
}

/* ---- for the test ---- */

EXPORT int faulty_count(void)
{
    return FAULTS;
}

EXPORT const char *faulty_name(int fault)
{
    return fault_names[fault];
}

/* Begins an episode. The books are cleared, but for descriptors that are still open. */
EXPORT void faulty_start(uint64_t new_seed, const uint32_t *per_million)
{
    pthread_mutex_lock(&lock);
    active = false;
    seed = new_seed;
    serials = 0;
    memcpy(rates, per_million, sizeof rates);
    memset(counts, 0, sizeof counts);
    memset(broken_ports, 0, sizeof broken_ports);
    note_count = 0;
    violation_length = 0;
    violations[0] = 0;
    table[0].choices = 0;
    active = true;
    pthread_mutex_unlock(&lock);
}

/* No more faults. Events that are held still come. */
EXPORT void faulty_stop(void)
{
    active = false;
}

EXPORT uint64_t faulty_injected(int fault)
{
    return counts[fault];
}

/* Whether the connection from this port was reset or lost by an injected fault. */
EXPORT int faulty_broken(int port)
{
    return broken_ports[port & 0xFFFF];
}

/* How many of the transport's descriptors are open. */
EXPORT int faulty_open(void)
{
    int count = 0;
    pthread_mutex_lock(&lock);
    for (int fd = 0; fd <= highest_fd; fd++) {
        count += table[fd].ownership == OPEN;
    }
    pthread_mutex_unlock(&lock);
    return count;
}

/* With 1, a shutdown(2) that is through does not return until the next call, with 0. Returns how many have not. */
EXPORT int faulty_hold_shutdowns(int on)
{
    pthread_mutex_lock(&lock);
    int held = held_shutdowns;
    holds_shutdowns = on != 0;
    pthread_cond_broadcast(&shutdowns_go);
    pthread_mutex_unlock(&lock);
    return held;
}

EXPORT const char *faulty_violations(void)
{
    return violations;
}

static size_t print(char *text, size_t size, size_t at, const char *format, ...)
{
    va_list arguments;
    if (at >= size) {
        return at;
    }
    va_start(arguments, format);
    int length = vsnprintf(text + at, size - at, format, arguments);
    va_end(arguments);
    return at + (size_t)length < size ? at + (size_t)length : size - 1;
}

static size_t print_note(char *text, size_t size, size_t at, const struct note *n, int64_t now)
{
    return print(text, size, at, "%ld us thread %d fd %d number %u %s\n", (n->time - now) / 1000, n->thread, n->fd,
        n->serial, n->what);
}

/* The last notes of the connections that are still open. */
static size_t print_open(char *text, size_t size, size_t at, int64_t now)
{
    int printed[MAX_FD / 64] = { 0 };
    uint64_t first = note_count > NOTES ? note_count - NOTES : 0;
    for (uint64_t i = note_count; i > first; i--) {
        struct note *n = &notes[(i - 1) % NOTES];
        if (n->fd >= 0 && n->fd < MAX_FD / 64 && table[n->fd].ownership == OPEN && table[n->fd].port != 0
            && printed[n->fd]++ < 40) {
            at = print_note(text, size, at, n, now);
        }
    }
    return at;
}

/* Writes the open descriptors, the held events and the last notes as text. Returns its length. */
EXPORT size_t faulty_journal(char *text, size_t size, int last)
{
    size_t at = 0;
    pthread_mutex_lock(&lock);
    int64_t now = now_ns();
    for (int fd = 0; fd <= highest_fd; fd++) {
        struct descriptor *d = &table[fd];
        if (d->ownership == OPEN) {
            int unread = 0;
            (void)ioctl(fd, FIONREAD, &unread);
            at = print(text, size, at, "open: fd %d number %u peer port %u poller %d tcp state %d unread %d%s\n", fd, d->serial,
                d->port, d->poller, tcp_state(fd), unread, d->broken ? " broken" : "");
        }
    }
    for (struct held *held = held_events; held != NULL; held = held->next) {
        at = print(text, size, at, "held: poller %d fd %d due in %ld us\n", held->poller, held->fd, (held->due - now) / 1000);
    }
    at = print_open(text, size, at, now);
    uint64_t first = note_count > (uint64_t)last ? note_count - (uint64_t)last : 0;
    for (uint64_t i = first; i < note_count; i++) {
        struct note *n = &notes[i % NOTES];
        at = print_note(text, size, at, n, now);
    }
    pthread_mutex_unlock(&lock);
    return at;
}
