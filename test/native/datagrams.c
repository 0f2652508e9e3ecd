/*
 * Programs of build/bench-datagrams.sh.
 *
 *   datagrams echo PORT                             the floor: recvmmsg and sendmmsg, 32 at a time, on one thread
 *   datagrams load PORT SIZE OUTSTANDING SECONDS    sends datagrams, and a new one for each that comes back
 *   datagrams burst PORT SIZE COUNT SECONDS         asks for COUNT datagrams of SIZE bytes, and again when they are there;
 *                                                   the kernel may pass them on joined (UDP_GRO)
 *
 * load and burst print how many datagrams they have received, and have lost.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32, LONGEST = 65536 };

static struct sockaddr_in address(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int open_socket(void)
{
    int fd = check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    int size = 4 * 1024 * 1024;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static _Noreturn void echo(int port)
{
    static char payloads[BATCH][2048];
    static struct mmsghdr messages[BATCH];
    static struct iovec vectors[BATCH];
    static struct sockaddr_storage names[BATCH];
    int fd = open_socket();
    struct sockaddr_in local = address(port);
    check(bind(fd, (struct sockaddr *)&local, sizeof local), "bind");
    puts("READY");
    fflush(stdout);
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){ payloads[i], sizeof payloads[i] };
            messages[i].msg_hdr = (struct msghdr){
                .msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &vectors[i], .msg_iovlen = 1 };
        }
        int count = check(recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL), "recvmmsg");
        for (int i = 0; i < count; i++) {
            vectors[i].iov_len = messages[i].msg_len;
        }
        for (int sent = 0; sent < count;) {
            sent += check(sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0), "sendmmsg");
        }
    }
}

static int connect_socket(int port)
{
    int fd = open_socket();
    struct sockaddr_in remote = address(port);
    check(connect(fd, (struct sockaddr *)&remote, sizeof remote), "connect");
    return fd;
}

static void send_all(int fd, const char *payload, size_t size, int count)
{
    static struct mmsghdr messages[BATCH];
    struct iovec vector = { (char *)payload, size };
    for (int i = 0; i < BATCH; i++) {
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vector, .msg_iovlen = 1 };
    }
    while (count > 0) {
        count -= check(sendmmsg(fd, messages, (unsigned)(count < BATCH ? count : BATCH), 0), "sendmmsg");
    }
}

/* False if nothing comes any more. */
static int wait_for(int fd)
{
    struct pollfd descriptor = { fd, POLLIN, 0 };
    return poll(&descriptor, 1, 200) > 0;
}

static int load(int port, size_t size, int outstanding, int seconds)
{
    static char payload[LONGEST], buffers[BATCH][2048];
    static struct mmsghdr messages[BATCH];
    static struct iovec vectors[BATCH];
    int fd = connect_socket(port);
    long received = 0, lost = 0;
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){ buffers[i], sizeof buffers[i] };
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
    }
    send_all(fd, payload, size, outstanding);
    for (int64_t end = now_ms() + seconds * 1000; now_ms() < end;) {
        if (!wait_for(fd)) {
            lost += outstanding;
            send_all(fd, payload, size, outstanding);
            continue;
        }
        int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
        if (count > 0) {
            received += count;
            send_all(fd, payload, size, count);
        }
    }
    printf("%ld %ld\n", received, lost);
    return 0;
}

static int burst(int port, size_t size, int count, int seconds)
{
    static char buffer[LONGEST];
    int fd = connect_socket(port);
    int on = 1;
    (void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    long received = 0, lost = 0;
    for (int64_t end = now_ms() + seconds * 1000; now_ms() < end;) {
        long left = (long)size * count;
        check((int)send(fd, "?", 1, 0), "send");
        while (left > 0) {
            ssize_t length = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (length > 0) {
                left -= length;
            } else if (!wait_for(fd)) {
                lost += left / (long)size;
                break;
            }
        }
        received += count - left / (long)size;
    }
    printf("%ld %ld\n", received, lost);
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "echo") == 0) {
        echo(atoi(arguments[2]));
    }
    if (count == 6) {
        int port = atoi(arguments[2]), number = atoi(arguments[4]), seconds = atoi(arguments[5]);
        size_t size = (size_t)atoi(arguments[3]);
        return strcmp(arguments[1], "load") == 0 ? load(port, size, number, seconds)
            : burst(port, size, number, seconds);
    }
    fputs("usage: datagrams echo|load|burst PORT [SIZE NUMBER SECONDS]\n", stderr);
    return 2;
}
