using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>
/// An IP address and a port, or the name of a Unix socket, as the kernel writes them. A struct, so that a datagram
/// costs no object. Two addresses are equal if the kernel has written the same bytes.
/// </summary>
/// <remarks>
/// The default value has no address: <see cref="IsEmpty"/>. A Unix socket that is not bound has none either. On a
/// dual-stack socket the address of an IPv4 peer has the form <c>::ffff:a.b.c.d</c>; an IPv4 address that is sent to is
/// translated.
/// </remarks>
public readonly struct DatagramAddress : IEquatable<DatagramAddress>
{
    /// <summary>Room for any address.</summary>
    internal const int MaxSize = 112;

    // That of IP addresses, in steps of 16 bytes.
    private const int MaxIPSize = 32;

    private readonly SocketAddressBytes _bytes;

    // The whole sockaddr_un. Not in the struct, which would be four times as large.
    private readonly byte[]? _unix;

    private DatagramAddress(SocketAddressBytes bytes) => _bytes = bytes;

    private DatagramAddress(byte[] unix) => _unix = unix;

    /// <summary>Whether this is the default value, which has no address.</summary>
    public bool IsEmpty => _bytes.Length == 0 && !IsUnix;

    /// <summary>The port; 0 if there is none.</summary>
    public int Port => _bytes.Port;

    /// <summary>The IP address alone, 4 or 16 bytes. A mapped address has 4.</summary>
    [UnscopedRef]
    internal ReadOnlySpan<byte> IPAddress => SocketAddressBytes.GetIPAddress(_bytes.Span());

    internal bool IsUnix => _unix is not null;

    /// <summary>Whether two addresses are the same.</summary>
    /// <param name="left">An address.</param>
    /// <param name="right">Another address.</param>
    /// <returns>Whether they are the same.</returns>
    public static bool operator ==(DatagramAddress left, DatagramAddress right) => left.Equals(right);

    /// <summary>Whether two addresses are different.</summary>
    /// <param name="left">An address.</param>
    /// <param name="right">Another address.</param>
    /// <returns>Whether they are different.</returns>
    public static bool operator !=(DatagramAddress left, DatagramAddress right) => !left.Equals(right);

    /// <summary>Makes an address of an endpoint. Allocates.</summary>
    /// <param name="endPoint">
    /// An <see cref="IPEndPoint"/>, or a <see cref="UnixDomainSocketEndPoint"/> with a path or an abstract name.
    /// </param>
    /// <returns>The address.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="endPoint"/> is <see langword="null"/>.</exception>
    /// <exception cref="ArgumentException"><paramref name="endPoint"/> is of another type.</exception>
    public static DatagramAddress FromEndPoint(EndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        return endPoint is IPEndPoint or UnixDomainSocketEndPoint
            ? From(SocketAddressBytes.OfEndPoint(endPoint))
            : throw new ArgumentException("It must be an IP or a Unix domain socket endpoint.", nameof(endPoint));
    }

    /// <summary>Makes an endpoint of an IP address. Allocates.</summary>
    /// <returns>The endpoint; <see langword="null"/> if there is no IP address.</returns>
    public IPEndPoint? ToEndPoint() => _bytes.ToEndPoint();

    /// <summary>Makes an endpoint of the name of a Unix socket. Allocates.</summary>
    /// <returns>The endpoint; <see langword="null"/> if there is no name.</returns>
    public UnixDomainSocketEndPoint? ToUnixEndPoint()
        => _unix is null ? null : (UnixDomainSocketEndPoint)SocketAddressBytes.ToEndPoint(_unix);

    /// <inheritdoc/>
    public bool Equals(DatagramAddress other)
        => _bytes.Span().SequenceEqual(other._bytes.Span())
            && (ReferenceEquals(_unix, other._unix) || _unix.AsSpan().SequenceEqual(other._unix));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is DatagramAddress other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.AddBytes(_bytes.Span());
        hash.AddBytes(_unix);
        return hash.ToHashCode();
    }

    /// <summary>
    /// The address in the form of <see cref="IPEndPoint"/> or <see cref="UnixDomainSocketEndPoint"/>; empty if there is
    /// none.
    /// </summary>
    /// <returns>The text.</returns>
    public override string ToString() => ToEndPoint()?.ToString() ?? ToUnixEndPoint()?.ToString() ?? "";

    /// <summary>Room for any address of a family.</summary>
    internal static int MaxSizeOf(int family) => family == Posix.AF_UNIX ? MaxSize : MaxIPSize;

    /// <summary>Another IP address of 4 or 16 bytes, with the same port. Empty if there is none.</summary>
    internal DatagramAddress WithIP(ReadOnlySpan<byte> ip)
        => ip.IsEmpty ? default : new(SocketAddressBytes.From(ip, IsEmpty ? [0, 0] : _bytes.Span().Slice(2, 2)));

    internal static DatagramAddress From(ReadOnlySpan<byte> address)
        => address.Length > SocketAddressBytes.FamilySize && SocketAddressBytes.IsUnix(address)
            ? FromUnix(address)
            : new(SocketAddressBytes.From(address));

    /// <summary>Whether this is the Unix address that the kernel has written.</summary>
    internal bool IsUnixAddress(ReadOnlySpan<byte> address) => _unix is not null && address.SequenceEqual(_unix);

    /// <summary>
    /// Writes the <c>sockaddr</c> for a socket of a family. An IPv6 socket takes IPv4 addresses in their mapped form
    /// only. Returns the length; 0 if such a socket cannot send there.
    /// </summary>
    internal int Write(Span<byte> destination, int family)
    {
        if (_unix is not null)
        {
            return WriteUnix(destination, family);
        }

        var bytes = _bytes.Span();
        if (family == Posix.AF_INET || bytes.Length != SocketAddressBytes.IPv4Size)
        {
            bytes.CopyTo(destination);
            return bytes.Length;
        }

        return SocketAddressBytes.WriteMapped(bytes, destination);
    }

    private static DatagramAddress FromUnix(ReadOnlySpan<byte> address)
    {
        var trimmed = SocketAddressBytes.TrimUnix(address);
        return trimmed.Length > SocketAddressBytes.FamilySize ? new(trimmed.ToArray()) : default;
    }

    private int WriteUnix(Span<byte> destination, int family)
    {
        if (family != Posix.AF_UNIX)
        {
            return 0;
        }

        _unix.CopyTo(destination);
        return _unix!.Length;
    }
}
