/*
 * A libc whose calls on datagram sockets fail as long as a test wants, as they do when a socket or the memory is full,
 * or a device refuses what it is asked for: on loopback the kernel never does. A test gives it to the transport in
 * place of the real one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_int failure, run_failure, marked_failure, short_failure, short_failures;
static atomic_int receive_failure, receive_failures;
static atomic_int longest_batch;
static atomic_int runs, refused_runs;
static atomic_int late_failure, receives_left;
static atomic_int strangers;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int holds, held;
static void (*_Atomic closing)(void);

/* From now on sends fail with this error; 0 ends that. */
EXPORT void fail_sends(int error)
{
    atomic_store(&failure, error);
}

/* The same for messages that the kernel is to cut into datagrams (UDP_SEGMENT). */
EXPORT void fail_runs(int error)
{
    atomic_store(&run_failure, error);
}

/* The same for messages with a datagram that begins with the byte 0xEE. */
EXPORT void fail_marked_sends(int error)
{
    atomic_store(&marked_failure, error);
}

/* So many sends from now on fail. */
EXPORT void fail_next_sends(int error, int count)
{
    atomic_store(&short_failure, error);
    atomic_store(&short_failures, count);
}

/* So many receives from now on fail. */
EXPORT void fail_next_receives(int error, int count)
{
    atomic_store(&receive_failure, error);
    atomic_store(&receive_failures, count);
}

/* So many calls of recvmsg succeed, and the next one fails. */
EXPORT void fail_receive_after(int error, int count)
{
    atomic_store(&late_failure, error);
    atomic_store(&receives_left, count + 1);
}

/* sendmmsg takes no more messages than this in one call; 0 ends that. */
EXPORT void limit_batches(int count)
{
    atomic_store(&longest_batch, count);
}

/* So many datagrams of a stranger come to an IPv4 socket before it is connected. */
EXPORT void send_before_connect(int count)
{
    atomic_store(&strangers, count);
}

/* From now on sendmmsg waits; 0 ends that. */
EXPORT void hold_batches(int on)
{
    pthread_mutex_lock(&lock);
    holds = on;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

EXPORT int held_batches(void)
{
    pthread_mutex_lock(&lock);
    int count = held;
    pthread_mutex_unlock(&lock);
    return count;
}

/* From now on each close calls this first; NULL ends that. */
EXPORT void call_at_close(void (*function)(void))
{
    atomic_store(&closing, function);
}

/* How many messages the kernel has taken to cut into datagrams. */
EXPORT int count_runs(void)
{
    return atomic_load(&runs);
}

/* The size of the datagrams that a message is to be cut into; 0 if it is one datagram. */
static uint16_t segment_of(const struct msghdr *message)
{
    struct msghdr *m = (struct msghdr *)message;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT)
            return *(uint16_t *)CMSG_DATA(c);
    }
    return 0;
}

static bool is_run(const struct msghdr *message)
{
    return segment_of(message) != 0;
}

/* How many it has refused because of fail_runs. */
EXPORT int count_refused_runs(void)
{
    return atomic_load(&refused_runs);
}

static bool is_marked(const struct msghdr *message)
{
    const unsigned char *payload = message->msg_iov->iov_base;
    size_t length = message->msg_iov->iov_len, size = is_run(message) ? segment_of(message) : length;
    for (size_t at = 0; at < length; at += size) {
        if (payload[at] == 0xEE)
            return true;
    }
    return false;
}

/* Takes one of a number of failures. */
static int take(atomic_int *left, atomic_int *error)
{
    int count = atomic_load(left);
    while (count > 0) {
        if (atomic_compare_exchange_weak(left, &count, count - 1))
            return atomic_load(error);
    }
    return 0;
}

static int failure_of(const struct msghdr *message)
{
    int error = atomic_load(&failure);
    if (error == 0 && is_run(message) && (error = atomic_load(&run_failure)) != 0)
        atomic_fetch_add(&refused_runs, 1);
    return error == 0 && is_marked(message) ? atomic_load(&marked_failure) : error;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    int error = take(&short_failures, &short_failure);
    error = error == 0 ? failure_of(message) : error;
    if (error != 0)
        return fail(error);
    ssize_t result = REAL(sendmsg)(fd, message, flags);
    if (result >= 0 && is_run(message))
        atomic_fetch_add(&runs, 1);
    return result;
}

/* As the kernel's: it ends before a message that fails, whose error shows only if that is the first. */
EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    pthread_mutex_lock(&lock);
    held++;
    while (holds)
        pthread_cond_wait(&changed, &lock);
    held--;
    pthread_mutex_unlock(&lock);

    int error = take(&short_failures, &short_failure);
    if (error != 0)
        return fail(error);
    unsigned int limit = (unsigned int)atomic_load(&longest_batch);
    unsigned int good = 0;
    while (good < count && (limit == 0 || good < limit) && (error = failure_of(&messages[good].msg_hdr)) == 0)
        good++;
    if (good == 0)
        return fail(error);
    int result = REAL(sendmmsg)(fd, messages, good, flags);
    for (int i = 0; i < result; i++)
        atomic_fetch_add(&runs, is_run(&messages[i].msg_hdr));
    return result;
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int stranger = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in local;
    socklen_t size = sizeof local;
    for (int left = atomic_load(&strangers); left > 0; left--) {
        if (getsockname(fd, (struct sockaddr *)&local, &size) < 0)
            return -1;
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (sendto(stranger, "stranger", 8, 0, (struct sockaddr *)&local, size) < 0)
            return -1;
    }
    close(stranger);
    return REAL(connect)(fd, address, length);
}

EXPORT int close(int fd)
{
    void (*function)(void) = atomic_load(&closing);
    if (function != NULL)
        function();
    return REAL(close)(fd);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    int error = take(&receive_failures, &receive_failure);
    if (error == 0 && atomic_load(&receives_left) > 0 && atomic_fetch_sub(&receives_left, 1) == 1)
        error = atomic_load(&late_failure);
    return error != 0 ? fail(error) : REAL(recvmsg)(fd, message, flags);
}

EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout)
{
    int error = take(&receive_failures, &receive_failure);
    return error != 0 ? fail(error) : REAL(recvmmsg)(fd, messages, count, flags, timeout);
}
