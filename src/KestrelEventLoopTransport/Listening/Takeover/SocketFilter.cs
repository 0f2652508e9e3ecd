using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening.Takeover;

/// <summary>
/// Programs of classic BPF that the kernel runs for listening sockets (<c>socket(7)</c>: SO_ATTACH_FILTER,
/// SO_ATTACH_REUSEPORT_CBPF). They need no privilege. Linux only.
/// </summary>
internal static unsafe class SocketFilter
{
    // BPF_LD | BPF_W | BPF_ABS and so on, linux/bpf_common.h.
    private const ushort LoadWord = 0x20;
    private const ushort LoadHalf = 0x28;
    private const ushort LoadByte = 0x30;
    private const ushort Add = 0x04;
    private const ushort And = 0x54;
    private const ushort Modulo = 0x94;
    private const ushort JumpIfEqual = 0x15;
    private const ushort Return = 0x06;
    private const ushort ReturnAccumulator = 0x16;

    // The address of a random number (SKF_AD_OFF + SKF_AD_RANDOM, linux/filter.h).
    private const uint Random = unchecked((uint)(-0x1000 + 56));

    // The filter of a TCP socket sees segments from the TCP header on. The flags are the 14th byte of that header.
    private const uint SourcePort = 0;
    private const uint TcpFlags = 13;
    private const uint Syn = 0x02;
    private const uint SynAndAck = 0x12;

    private const uint All = uint.MaxValue;

    /// <summary>The socket drops everything that it receives. Returns 0 or the error number.</summary>
    internal static int DropAll(int fd) => Attach(fd, Linux.SO_ATTACH_FILTER, [new(Return, 0, 0, 0)]);

    /// <summary>
    /// The listening TCP socket begins no handshake with one source port. Sockets that it accepts inherit the filter,
    /// which has no effect there: they receive no first segments. Returns 0 or the error number.
    /// </summary>
    internal static int DropHandshakes(int fd, int sourcePort)
        => Attach(fd, Linux.SO_ATTACH_FILTER,
        [
            new(LoadHalf, 0, 0, SourcePort),
            new(JumpIfEqual, 0, 3, (uint)sourcePort),
            new(LoadByte, 0, 0, TcpFlags),
            new(And, 0, 0, SynAndAck),
            new(JumpIfEqual, 1, 0, Syn),
            new(Return, 0, 0, All),
            new(Return, 0, 0, 0),
        ]);

    /// <summary>
    /// The listening TCP socket begins no more handshakes. Handshakes that have begun go on. The first segment of a new
    /// one is dropped without an answer, so the client sends it again after a second (RFC 6298).
    /// </summary>
    internal static void DropNewHandshakes(int fd)
        => _ = Attach(fd, Linux.SO_ATTACH_FILTER,
        [
            new(LoadByte, 0, 0, TcpFlags),
            new(And, 0, 0, SynAndAck),
            new(JumpIfEqual, 0, 1, Syn),
            new(Return, 0, 0, 0),
            new(Return, 0, 0, All),
        ]);

    /// <summary>Ends <see cref="DropHandshakes"/>.</summary>
    internal static void DropNothing(int fd)
    {
        var unused = 0;
        _ = Libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_DETACH_FILTER, &unused, sizeof(int));
    }

    /// <summary>Whether a filter is attached to the socket. True also when that cannot be found out.</summary>
    internal static bool MayHaveFilter(int fd)
    {
        // The kernel returns the length of the program.
        uint length = 0;
        return Libc.getsockopt(fd, Linux.SOL_SOCKET, Linux.SO_GET_FILTER, null, &length) < 0 || length != 0;
    }

    /// <summary>How many segments the socket has dropped; null when the kernel does not report it.</summary>
    internal static uint? CountDrops(int fd)
    {
        // SK_MEMINFO_DROPS, linux/sock_diag.h.
        const int Drops = 8;
        var values = stackalloc uint[Drops + 1];
        uint length = (Drops + 1) * sizeof(uint);
        var result = Libc.getsockopt(fd, Linux.SOL_SOCKET, Linux.SO_MEMINFO, values, &length);
        return result == 0 && length == (Drops + 1) * sizeof(uint) ? values[Drops] : null;
    }

    /// <summary>
    /// Sends new connections to some only of the sockets that share a port by SO_REUSEPORT. The sockets have places, in
    /// the order in which they began to listen; when one leaves, the last one takes its place (reuseport_detach_sock).
    /// If no socket has the chosen place, the kernel chooses as it does without a program. Returns 0 or the error
    /// number.
    /// </summary>
    /// <param name="fd">One of the sockets: the program is the same for all of them.</param>
    /// <param name="first">The first place that gets connections.</param>
    /// <param name="count">How many places get connections.</param>
    internal static int SelectListeners(int fd, int first, int count)
        => Attach(fd, Linux.SO_ATTACH_REUSEPORT_CBPF,
        [
            new(LoadWord, 0, 0, Random),
            new(Modulo, 0, 0, (uint)count),
            new(Add, 0, 0, (uint)first),
            new(ReturnAccumulator, 0, 0, 0),
        ]);

    /// <summary>The same for places that are not next to each other.</summary>
    internal static int SelectListeners(int fd, ReadOnlySpan<int> places)
    {
        var program = new List<sock_filter> { new(LoadWord, 0, 0, Random), new(Modulo, 0, 0, (uint)places.Length) };
        for (var i = 0; i < places.Length; i++)
        {
            program.Add(new(JumpIfEqual, 0, 1, (uint)i));
            program.Add(new(Return, 0, 0, (uint)places[i]));
        }

        program.Add(new(Return, 0, 0, All));
        return Attach(fd, Linux.SO_ATTACH_REUSEPORT_CBPF, CollectionsMarshal.AsSpan(program));
    }

    /// <summary>Ends <see cref="SelectListeners(int, int, int)"/>.</summary>
    internal static void SelectAllListeners(int fd)
    {
        var unused = 0;
        _ = Libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_DETACH_REUSEPORT_BPF, &unused, sizeof(int));
    }

    private static int Attach(int fd, int option, ReadOnlySpan<sock_filter> instructions)
    {
        fixed (sock_filter* first = instructions)
        {
            var program = new sock_fprog { len = (ushort)instructions.Length, filter = first };
            var result = Libc.setsockopt(fd, Linux.SOL_SOCKET, option, &program, (uint)sizeof(sock_fprog));
            return result < 0 ? Errno.Last : 0;
        }
    }
}
