/*
 * Load generator for what wrk and h2load cannot do: ping-pong over raw TCP, WebSocket and MQTT (a publish with QoS 1
 * and its acknowledgement), uploads and downloads, and requests at a steady rate, over TLS and on new connections too.
 * One thread, epoll. At the end of the window no operation is begun, and those under way are
 * finished and counted. Everything received is checked; the first difference ends the run with exit code 1.
 *
 *   load echo|ws|mqtt|upload|download PORT CONNECTIONS BYTES SECONDS [RATE]
 *   load get PORT CONNECTIONS PATH SECONDS [RATE [DEPTH [tls] [close]]]
 *
 * Without RATE, each connection begins an operation when the last one has ended. RATE is operations per second over all
 * connections: each has its schedule, evenly spaced and shifted against the others', and latency counts from the
 * scheduled time, also when the operation before was still under way (no coordinated omission). Timers would be too
 * coarse, so the thread spins. DEPTH requests are sent at once (pipelined) and are due at the same time.
 * "close" opens a connection for each request, and its latency begins with connecting; over TLS no session is resumed.
 *
 * Prints one JSON object: operations, bytes, seconds, errors and latency percentiles in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, CHUNK = 65536, HEAD_MAX = 4096, SLOTS = 1 << 22 };
enum mode { ECHO, WS, MQTT, UPLOAD, DOWNLOAD, GET };

struct connection {
    int fd;
    SSL *tls;              /* null without TLS */
    int ending;            /* close: the response is complete, the server's end is awaited */
    int busy;
    uint64_t due;          /* when the next operation is to begin; 0 without a rate */
    uint64_t began;        /* with a rate: when it should have begun */
    char *out;             /* ping-pong: the message; HTTP: the request head */
    size_t out_length;
    size_t sent;           /* of out, then of the body */
    char *in;              /* ping-pong: the answer; HTTP: the response head and the start of its body */
    size_t in_length;      /* ping-pong: length of the answer; HTTP: of head and body, 0 while the head is incomplete */
    size_t received;
    int answered;          /* get: how many of the pipelined requests */
};

static enum mode mode;
static size_t size;
static const char *path;
static int depth = 1;
static int port, epoll;
static SSL_CTX *tls;  /* null without TLS */
static int closing;   /* a connection per request */
static uint64_t interval; /* nanoseconds between two operations of a connection; 0: no rate */
static uint32_t *slots; /* latencies, one slot per microsecond */
static uint64_t operations, sequence;
static int busy;
static char chunk[CHUNK];

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (errno: %s)\n", strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char mqtt_connect[] = "\x10\x12\0\4MQTT\4\2\0\0\0\6"; /* the client's name of six characters follows */
static const char mqtt_topic[] = "\0\5bench\0\1";                    /* and the packet's identifier */
static const char mqtt_accepted[] = "\x20\2\0\0", mqtt_acknowledged[] = "\x40\2\0\1";

/* Header bytes before the payload: a client's WebSocket frame carries four bytes of mask (zeros here), a server's none. */
static size_t frame_head(int client)
{
    if (mode == MQTT)
        return 3 + sizeof mqtt_topic - 1;
    return mode == ECHO ? 0 : (size < 126 ? 2 : 4) + (client ? 4u : 0u);
}

/* Once TLS stands, these two do what the system calls do: EAGAIN says that an edge will come. */
static ssize_t tls_result(struct connection *c, int n)
{
    if (n > 0)
        return n;
    int error = SSL_get_error(c->tls, n);
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

static ssize_t transmit(struct connection *c, const char *from, size_t count)
{
    return c->tls ? tls_result(c, SSL_write(c->tls, from, (int)count))
                  : send(c->fd, from, count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t receive(struct connection *c, char *at, size_t room)
{
    return c->tls ? tls_result(c, SSL_read(c->tls, at, (int)room)) : recv(c->fd, at, room, MSG_DONTWAIT);
}

static int is_ping_pong(void)
{
    return mode == ECHO || mode == WS || mode == MQTT;
}

static void write_mqtt_head(char *at)
{
    size_t remaining = sizeof mqtt_topic - 1 + size;
    at[0] = 0x32; /* publish, QoS 1 */
    at[1] = (char)(remaining | 0x80);
    at[2] = (char)(remaining >> 7);
    memcpy(at + 3, mqtt_topic, sizeof mqtt_topic - 1);
}

static void write_frame_head(char *at, int client)
{
    at[0] = (char)0x82; /* final, binary */
    if (size < 126) {
        at[1] = (char)(size | (client ? 0x80u : 0u));
    } else {
        at[1] = (char)(126 | (client ? 0x80 : 0));
        at[2] = (char)(size >> 8);
        at[3] = (char)size;
    }
}

static void shake_hands_websocket(int fd)
{
    static const char hello[] = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    char answer[HEAD_MAX] = "";
    size_t have = 0;
    if (send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) != sizeof hello - 1)
        fail("send of the WebSocket handshake");
    while (strstr(answer, "\r\n\r\n") == NULL) {
        ssize_t n = recv(fd, answer + have, sizeof answer - 1 - have, 0);
        if (n <= 0)
            fail("no answer to the WebSocket handshake");
        have += (size_t)n;
    }
    if (strncmp(answer, "HTTP/1.1 101 ", 13) != 0)
        fail("WebSocket handshake refused: %.40s", answer);
}

static void shake_hands_mqtt(int fd)
{
    static unsigned clients;
    char hello[sizeof mqtt_connect + 6], answer[sizeof mqtt_accepted - 1];
    memcpy(hello, mqtt_connect, sizeof mqtt_connect - 1);
    snprintf(hello + sizeof mqtt_connect - 1, 7, "c%05u", clients++ % 100000u);
    if (send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) != sizeof hello - 1)
        fail("send of the MQTT handshake");
    if (recv(fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer
        || memcmp(answer, mqtt_accepted, sizeof answer) != 0)
        fail("MQTT handshake refused");
}

static void prepare(struct connection *c, int index)
{
    if (is_ping_pong()) {
        c->out_length = frame_head(1) + size;
        c->out = calloc(1, c->out_length);
        c->in_length = mode == MQTT ? sizeof mqtt_acknowledged - 1 : frame_head(0) + size;
        c->in = calloc(1, c->in_length);
        for (size_t i = 0; i < size; i++)
            c->out[frame_head(1) + i] = (char)(i * 31 + (size_t)index);
        if (mode == WS)
            write_frame_head(c->out, 1);
        if (mode == MQTT)
            write_mqtt_head(c->out);
    } else if (mode == GET) {
        static const char format[] = "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n";
        const char *header = closing ? "Connection: close\r\n" : "";
        size_t room = strlen(path) + strlen(header) + sizeof format;
        c->in = malloc(HEAD_MAX + CHUNK + 1);
        c->out = malloc(room * (size_t)depth);
        for (int i = 0; i < depth; i++)
            c->out_length += (size_t)snprintf(c->out + c->out_length, room, format, path, header);
    } else {
        c->out = malloc(HEAD_MAX);
        c->in = malloc(HEAD_MAX + CHUNK + 1);
        c->out_length = (size_t)snprintf(c->out, HEAD_MAX,
            mode == UPLOAD ? "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n"
                           : "GET /download?bytes=%zu HTTP/1.1\r\nHost: localhost\r\n\r\n", size);
    }
}

/* Connects, and begins with TLS, which goes on with the first transmit. */
static void open_connection(struct connection *c)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int on = 1;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (closing ? SOCK_NONBLOCK : 0), 0);
    if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS))
        fail("connect to port %d", port);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (mode == WS)
        shake_hands_websocket(c->fd);
    if (mode == MQTT)
        shake_hands_mqtt(c->fd);
    if (tls != NULL) {
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        c->tls = SSL_new(tls);
        SSL_set_fd(c->tls, c->fd);
        SSL_set_connect_state(c->tls);
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void close_connection(struct connection *c)
{
    SSL_free(c->tls);
    close(c->fd);
    c->tls = NULL;
    c->fd = -1;
    c->ending = 0;
}

static void push(struct connection *c)
{
    size_t total = c->out_length + (mode == UPLOAD ? size : 0);
    while (c->sent < total) {
        const char *from = c->sent < c->out_length ? c->out + c->sent : chunk;
        size_t left = (c->sent < c->out_length ? c->out_length : total) - c->sent;
        ssize_t n = transmit(c, from, from == chunk && left > CHUNK ? CHUNK : left);
        if (n < 0) {
            if (errno == EAGAIN)
                return;
            fail("send");
        }
        c->sent += (size_t)n;
    }
}

static void begin(struct connection *c)
{
    if (is_ping_pong()) {
        /* Every message differs, so that a stale or misplaced answer cannot pass. */
        sequence++;
        memcpy(c->out + frame_head(1), &sequence, size < sizeof sequence ? size : sizeof sequence);
    } else {
        c->in_length = 0;
    }
    c->busy = 1;
    busy++;
    c->sent = c->received = 0;
    c->answered = 0;
    c->began = interval ? c->due : now();
    c->due += interval;
    if (closing)
        open_connection(c);
    push(c);
}

static void set_free(struct connection *c)
{
    c->busy = 0;
    busy--;
}

static void finish(struct connection *c)
{
    uint64_t microseconds = (now() - c->began) / 1000;
    slots[microseconds < SLOTS ? microseconds : SLOTS - 1]++;
    operations++;
    if (mode == GET && ++c->answered < depth)
        return;
    c->ending = closing;
    if (!closing)
        set_free(c);
}

static void check_message(struct connection *c)
{
    char head[4];
    if (mode == WS) {
        write_frame_head(head, 0);
        if (memcmp(c->in, head, frame_head(0)) != 0)
            fail("not the expected WebSocket frame");
    }
    if (mode == MQTT ? memcmp(c->in, mqtt_acknowledged, c->in_length)
                     : memcmp(c->in + frame_head(0), c->out + frame_head(1), size))
        fail("the answer differs from the message");
}

/* Reads status and length once the head is complete; the bytes after it in the buffer belong to the body. */
static void parse_head(struct connection *c)
{
    c->in[c->received] = 0;
    char *end = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "\r\nContent-Length:");
    if (end == NULL) {
        if (c->received >= HEAD_MAX)
            fail("response head too long");
        return;
    }
    if (strncmp(c->in, "HTTP/1.1 200 ", 13) != 0)
        fail("unexpected response: %.60s", c->in);
    if (length == NULL || length > end) {
        /* Chunked. The empty last chunk is looked for, rather than counted: bodies are text without line breaks. */
        static const char last[] = "\r\n0\r\n\r\n";
        char *chunked = strcasestr(c->in, "\r\nTransfer-Encoding: chunked\r\n");
        if (mode != GET || chunked == NULL || chunked > end)
            fail("response without length: %.60s", c->in);
        char *body_end = strstr(end + 2, last);
        if (body_end != NULL)
            c->in_length = (size_t)(body_end - c->in) + sizeof last - 1;
        return;
    }
    size_t body = strtoull(length + 17, NULL, 10);
    if (mode == DOWNLOAD && body != size)
        fail("Content-Length is %zu instead of %zu", body, size);
    c->in_length = (size_t)(end + 4 - c->in) + body;
}

static void check_http(struct connection *c)
{
    if (c->received != c->in_length)
        fail("%zu bytes instead of %zu", c->received, c->in_length);
    if (mode == UPLOAD) {
        c->in[c->received] = 0;
        if (c->sent != c->out_length + size || strtoull(strstr(c->in, "\r\n\r\n") + 4, NULL, 10) != size)
            fail("the server counted other than %zu bytes", size);
    }
}

/* Takes the complete responses out of the buffer; there may be several, and the start of another. */
static void take_responses(struct connection *c)
{
    while (c->busy && c->received > 0) {
        if (c->in_length == 0)
            parse_head(c);
        if (c->in_length == 0 || c->received < c->in_length) {
            if (c->received == HEAD_MAX + CHUNK || c->in_length > HEAD_MAX + CHUNK)
                fail("response too long");
            return;
        }
        c->received -= c->in_length;
        memmove(c->in, c->in + c->in_length, c->received);
        c->in_length = 0;
        finish(c);
    }
    if (c->received > 0)
        fail("%zu bytes more than the responses", c->received);
}

static void pull(struct connection *c)
{
    int http = mode == UPLOAD || mode == DOWNLOAD || mode == GET;
    while (c->busy) {
        char *at = c->in + c->received;
        size_t room = c->in_length - c->received;
        if (mode == GET || (http && c->in_length == 0)) {
            room = HEAD_MAX + CHUNK - c->received;
        } else if (http && mode == DOWNLOAD) {
            at = c->in; /* the head is done with, the body is only counted */
            room = room > CHUNK ? CHUNK : room;
        }
        ssize_t n = receive(c, at, room);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n == 0 && c->ending) {
            close_connection(c);
            set_free(c);
            return;
        }
        if (n <= 0)
            fail("connection ended after %zu bytes of the answer", c->received);
        c->received += (size_t)n;
        if (mode == GET) {
            take_responses(c);
            continue;
        }
        if (http && c->in_length == 0)
            parse_head(c);
        if (c->in_length == 0 || c->received < c->in_length)
            continue;
        if (http)
            check_http(c);
        else
            check_message(c);
        finish(c);
    }
}

/* Begins what is due on the connections that are free. */
static void begin_due(struct connection *connections, int count, uint64_t deadline)
{
    uint64_t time = now();
    for (int i = 0; i < count && time < deadline; i++)
        if (!connections[i].busy && connections[i].due <= time)
            begin(&connections[i]);
}

static uint64_t percentile(double share)
{
    uint64_t wanted = (uint64_t)((double)operations * share), seen = 0;
    for (size_t i = 0; i < SLOTS; i++)
        if ((seen += slots[i]) > wanted)
            return i;
    return SLOTS - 1;
}

static void make_tls(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL); /* the server has just made its certificate */
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "echo", "ws", "mqtt", "upload", "download", "get" };
    if (argc < 6 || argc > 10)
        fail("usage: load echo|ws|mqtt|upload|download|get PORT CONNECTIONS BYTES|PATH SECONDS "
             "[RATE [DEPTH [tls] [close]]]");
    while (strcmp(argv[1], names[mode]) != 0)
        if (++mode > GET)
            fail("unknown mode %s", argv[1]);
    port = atoi(argv[2]);
    int count = atoi(argv[3]);
    path = argv[4];
    size = mode == GET ? 0 : strtoull(argv[4], NULL, 10);
    if (mode == WS && size > 65535)
        fail("WebSocket messages above 65535 bytes are not supported");
    if (mode == MQTT && (size < 128 || size > 16000))
        fail("MQTT messages must have 128 to 16000 bytes");
    double rate = argc > 6 ? atof(argv[6]) : 0;
    if (argc > 7)
        depth = atoi(argv[7]);
    for (int i = 8; i < argc; i++) {
        if (strcmp(argv[i], "close") == 0)
            closing = 1;
        else if (strcmp(argv[i], "tls") == 0)
            make_tls();
        else
            fail("unknown word %s", argv[i]);
    }
    if (rate > 0)
        interval = (uint64_t)(1e9 * count * depth / rate);

    slots = calloc(SLOTS, sizeof *slots);
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; i++) {
        prepare(&connections[i], i);
        if (!closing)
            open_connection(&connections[i]);
    }

    uint64_t start = now(), deadline = start + (uint64_t)(atof(argv[5]) * 1e9);
    for (int i = 0; i < count; i++) {
        connections[i].due = interval ? start + interval * (uint64_t)i / (uint64_t)count : 0;
        if (!interval)
            begin(&connections[i]);
    }
    while (busy > 0 || (interval && now() < deadline)) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, interval ? 0 : 10000);
        if (ready == 0 && (!interval || now() > deadline + 10000000000u))
            fail("%d operations are stuck for 10 seconds", busy);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->busy)
                push(c);
            pull(c);
            if (!interval && !c->busy && now() < deadline)
                begin(c);
        }
        if (interval)
            begin_due(connections, count, deadline);
    }

    double seconds = (double)(now() - start) / 1e9;
    printf("{\"operations\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"errors\":0,"
           "\"latency\":{\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu,\"p9999\":%llu}}\n",
           (unsigned long long)operations, (unsigned long long)(operations * size), seconds,
           (unsigned long long)percentile(0.5), (unsigned long long)percentile(0.9),
           (unsigned long long)percentile(0.99), (unsigned long long)percentile(0.999),
           (unsigned long long)percentile(0.9999));
    return 0;
}
