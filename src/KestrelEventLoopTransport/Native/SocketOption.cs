using System.Net.Sockets;

namespace KestrelEventLoopTransport.Native;

/// <summary>A socket option and its value, ready for <c>setsockopt(2)</c>.</summary>
/// <param name="Option">The name that the user knows, for messages.</param>
/// <param name="Level">The protocol level.</param>
/// <param name="Name">The number of the option in that level, or <see cref="Platform.Missing"/>.</param>
/// <param name="Value">The bytes of the value.</param>
internal sealed record SocketOption(string Option, int Level, int Name, byte[] Value)
{
    internal static SocketOption FromInt32(string option, int level, int name, int value)
        => new(option, level, name, BitConverter.GetBytes(value));

    /// <exception cref="SocketException">The kernel refuses the option or does not have it.</exception>
    internal void Set(int fd)
    {
        if (Name == Platform.Missing)
        {
            throw new SocketException(
                (int)SocketError.ProtocolOption, $"{Option} cannot be set: this operating system has no such option");
        }

        if (TrySet(fd) is not 0 and var error)
        {
            throw Errno.ToException(error, $"{Option} cannot be set");
        }
    }

    /// <summary>Returns 0 or the error number.</summary>
    internal int TrySet(int fd) => TrySet(fd, Level, Name, Value);

    /// <summary>Sets an option by its number.</summary>
    /// <exception cref="SocketException">The kernel refuses the option.</exception>
    internal static void Set(int fd, int level, int name, ReadOnlySpan<byte> value)
    {
        if (TrySet(fd, level, name, value) is not 0 and var error)
        {
            throw Errno.ToException(error, $"option {name} of level {level} cannot be set");
        }
    }

    private static unsafe int TrySet(int fd, int level, int name, ReadOnlySpan<byte> value)
    {
        fixed (byte* bytes = value)
        {
            return Libc.setsockopt(fd, level, name, bytes, (uint)value.Length) < 0 ? Errno.Last : 0;
        }
    }

    internal static unsafe int Get(int fd, int level, int name, Span<byte> value)
    {
        var length = (uint)value.Length;
        fixed (byte* bytes = value)
        {
            if (Libc.getsockopt(fd, level, name, bytes, &length) < 0)
            {
                throw Errno.ToException(Errno.Last, $"option {name} of level {level} cannot be read");
            }
        }

        return (int)length;
    }
}
