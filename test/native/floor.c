/*
 * The floor of the benchmarks: the least that a server must pay the kernel. One thread, level-triggered epoll,
 * one read and one write per batch, a fixed answer, no parsing beyond the end of the request head.
 *
 *   floor [http-port echo-port]      0 picks a free port; prints "READY http=PORT echo=PORT"; ends with stdin
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 65536, BUFFER = 8192, EVENTS = 256 };
enum kind { NONE, HTTP_LISTENER, ECHO_LISTENER, HTTP, ECHO };

struct connection {
    enum kind kind;
    size_t have; /* bytes of an unfinished request head */
    char *buffer;
};

static struct connection connections[MAX_FD];

/* The same headers that Kestrel sends, so that both move the same bytes. */
#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n" \
             "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: Kestrel\r\n"
static const char keep_response[] = HEAD "\r\nHello, World!";
static const char close_response[] = HEAD "Connection: close\r\n\r\nHello, World!";

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int write_all(int fd, const char *data, size_t count)
{
    while (count > 0) {
        ssize_t n = send(fd, data, count, MSG_NOSIGNAL);
        if (n >= 0) {
            data += n;
            count -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd writable = { fd, POLLOUT, 0 };
            poll(&writable, 1, -1);
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

static void drop(int fd)
{
    free(connections[fd].buffer);
    connections[fd] = (struct connection){ NONE, 0, NULL };
    close(fd);
}

static void serve_http(int fd)
{
    static char out[BUFFER * 4];
    struct connection *c = &connections[fd];
    ssize_t n = recv(fd, c->buffer + c->have, BUFFER - c->have, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            drop(fd);
        return;
    }

    char *at = c->buffer, *end = c->buffer + c->have + n, *blank;
    size_t written = 0;
    int closing = 0;
    while (!closing && (blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4)) != NULL) {
        closing = memmem(at, (size_t)(blank - at), "onnection: close", 16) != NULL;
        const char *response = closing ? close_response : keep_response;
        size_t length = (closing ? sizeof close_response : sizeof keep_response) - 1;
        if (written + length > sizeof out) {
            if (write_all(fd, out, written) != 0) {
                drop(fd);
                return;
            }
            written = 0;
        }
        memcpy(out + written, response, length);
        written += length;
        at = blank + 4;
    }

    c->have = (size_t)(end - at);
    memmove(c->buffer, at, c->have);
    if (write_all(fd, out, written) != 0 || closing || c->have == BUFFER)
        drop(fd);
}

static void serve_echo(int fd)
{
    static char data[65536];
    ssize_t n = recv(fd, data, sizeof data, 0);
    if (n > 0 ? write_all(fd, data, (size_t)n) != 0 : n == 0 || (errno != EAGAIN && errno != EINTR))
        drop(fd);
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
}

static void take(int epoll, int listener, enum kind kind)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MAX_FD) {
            close(fd);
            continue;
        }
        connections[fd] = (struct connection){ kind, 0, kind == HTTP ? malloc(BUFFER) : NULL };
        watch(epoll, fd);
    }
}

static int listen_on(int epoll, const char *port, enum kind kind)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    if (bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 512) != 0)
        fail("listen");
    getsockname(fd, (struct sockaddr *)&address, &length);
    connections[fd].kind = kind;
    watch(epoll, fd);
    return ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int http = listen_on(epoll, argc > 1 ? argv[1] : "0", HTTP_LISTENER);
    int echo = listen_on(epoll, argc > 2 ? argv[2] : "0", ECHO_LISTENER);

    /* The driver holds our stdin: when it dies, so do we. A file or /dev/null cannot be polled, and is ignored. */
    struct epoll_event event = { .events = EPOLLIN, .data.fd = STDIN_FILENO };
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);

    printf("READY http=%d echo=%d\n", http, echo);
    fflush(stdout);

    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            switch (connections[fd].kind) {
            case HTTP_LISTENER: take(epoll, fd, HTTP); break;
            case ECHO_LISTENER: take(epoll, fd, ECHO); break;
            case HTTP: serve_http(fd); break;
            case ECHO: serve_echo(fd); break;
            case NONE: return 0; /* stdin ended, or somebody typed */
            }
        }
    }
}
