using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>A receive from a Unix socket stops behind a descriptor that came with the bytes.</summary>
[Trait("Contract", "26")]
public sealed class AncillaryDataTests
{
    private const int SOL_SOCKET = 1;
    private const int SCM_RIGHTS = 1;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_follows_a_descriptor_arrives(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        await using var pair = await transport.ConnectAsync(listener);
        for (var i = 0; i < 10; i++)
        {
            SendWithDescriptor((int)pair.Client.Socket.Handle, "before,"u8);
            await pair.Client.SendAsync("after");

            Assert.Equal("before,after", await ReadAsync(pair, "before,after".Length));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Bytes_that_arrive_one_by_one_are_all_read(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        await using var pair = await transport.ConnectAsync(listener);

        // On a thread of its own, because this one may be the loop's.
        var send = Task.Run(() =>
        {
            for (var i = 0; i < 5000; i++)
            {
                pair.Client.Socket.Send("x"u8);
            }
        });

        Assert.Equal(new string('x', 5000), await ReadAsync(pair, 5000));
        await send;
    }

    private static async Task<string> ReadAsync(ConnectedPair pair, int length)
    {
        var text = new StringBuilder();
        while (text.Length < length)
        {
            var result = await pair.Input.ReadAsync().DefaultTimeout();
            text.Append(Encoding.ASCII.GetString(result.Buffer));
            pair.Input.AdvanceTo(result.Buffer.End);
        }

        return text.ToString();
    }

    private static unsafe void SendWithDescriptor(int fd, ReadOnlySpan<byte> bytes)
    {
        // struct cmsghdr and one descriptor, aligned (cmsg(3)).
        var control = stackalloc byte[24];
        *(nuint*)control = 20;
        *(int*)(control + 8) = SOL_SOCKET;
        *(int*)(control + 12) = SCM_RIGHTS;
        *(int*)(control + 16) = fd;
        fixed (byte* address = bytes)
        {
            var vector = new iovec { iov_base = address, iov_len = (nuint)bytes.Length };
            var message = new msghdr
            {
                msg_iov = &vector,
                msg_iovlen = 1,
                msg_control = control,
                msg_controllen = 24,
            };
            Assert.Equal(bytes.Length, KestrelEventLoopTransport.Native.Libc.sendmsg(fd, &message, 0));
        }
    }
}
