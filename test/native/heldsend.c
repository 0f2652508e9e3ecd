/*
 * A libc whose sendmsg can be held: what a thread in the middle of a long send looks like to all others, for as long as
 * a test wants. A test gives it to the transport in place of the real one. What it does not define, the loader finds in
 * the libc that it depends on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define EXPORT __attribute__((visibility("default")))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t threshold = (size_t)-1;
static int held;

/* From now on sends of at least so many bytes wait. */
EXPORT void hold_sends(size_t bytes)
{
    pthread_mutex_lock(&lock);
    threshold = bytes;
    pthread_mutex_unlock(&lock);
}

EXPORT void release_sends(void)
{
    pthread_mutex_lock(&lock);
    threshold = (size_t)-1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

EXPORT int held_sends(void)
{
    pthread_mutex_lock(&lock);
    int count = held;
    pthread_mutex_unlock(&lock);
    return count;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    static ssize_t (*real)(int, const struct msghdr *, int);
    size_t length = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++)
        length += message->msg_iov[i].iov_len;

    pthread_mutex_lock(&lock);
    if (real == NULL)
        real = (ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
    held++;
    while (length >= threshold)
        pthread_cond_wait(&changed, &lock);
    held--;
    pthread_mutex_unlock(&lock);
    return real(fd, message, flags);
}
