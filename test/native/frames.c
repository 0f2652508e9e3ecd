/*
 * Load for an echo of lines: sends batches of lines of 32 bytes on each connection in turn, then takes the answers and
 * compares them.
 *
 *   frames PORT CONNECTIONS LINES_PER_BATCH SECONDS
 *
 * Prints the number of lines that came back.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 32, MAX_BATCH = 1024, MAX_CONNECTIONS = 1024 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int open_connection(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int main(int argc, char **argv)
{
    static char out[MAX_BATCH * LINE], in[MAX_BATCH * LINE];
    int fds[MAX_CONNECTIONS];
    uint64_t lines = 0;
    int connections = argc == 5 ? atoi(argv[2]) : 0, batch = argc == 5 ? atoi(argv[3]) : 0;
    if (connections < 1 || connections > MAX_CONNECTIONS || batch < 1 || batch > MAX_BATCH) {
        fputs("usage: frames PORT CONNECTIONS LINES_PER_BATCH SECONDS\n", stderr);
        return 2;
    }
    size_t length = (size_t)batch * LINE;
    for (size_t i = 0; i < length; i++)
        out[i] = i % LINE == LINE - 1 ? '\n' : (char)('a' + i * 7 % 26);
    for (int i = 0; i < connections; i++)
        fds[i] = open_connection(atoi(argv[1]));
    for (double end = now() + atof(argv[4]); now() < end;) {
        for (int i = 0; i < connections; i++)
            if (send(fds[i], out, length, 0) != (ssize_t)length)
                fail("send");
        for (int i = 0; i < connections; i++) {
            if (recv(fds[i], in, length, MSG_WAITALL) != (ssize_t)length)
                fail("recv");
            if (memcmp(in, out, length) != 0) {
                fputs("frames: the answer is not what was sent\n", stderr);
                return 1;
            }
            lines += batch;
        }
    }
    printf("%llu\n", (unsigned long long)lines);
    return 0;
}
