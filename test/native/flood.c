/* Floods a UDP port of this machine with datagrams, as fast as one processor can.
   usage: flood PORT PAYLOAD */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64 };

int main(int argc, char **argv)
{
    if (argc != 3)
    {
        fprintf(stderr, "usage: flood PORT PAYLOAD\n");
        return 2;
    }

    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((unsigned short)atoi(argv[1])),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
    {
        perror("flood");
        return 1;
    }

    struct iovec payload = { argv[2], strlen(argv[2]) };
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++)
    {
        messages[i].msg_hdr.msg_iov = &payload;
        messages[i].msg_hdr.msg_iovlen = 1;
    }

    for (;;)
    {
        /* What the receiver has no room for is dropped by the kernel, not by this loop. */
        sendmmsg(fd, messages, BATCH, 0);
    }
}
