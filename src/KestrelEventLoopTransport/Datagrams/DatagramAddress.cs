using System.Diagnostics.CodeAnalysis;
using System.Net;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>
/// An IP address and a port, as the kernel writes them. A struct, so that a datagram costs no object. Two addresses are
/// equal if the kernel has written the same bytes.
/// </summary>
/// <remarks>
/// The default value has no address: <see cref="IsEmpty"/>. On a dual-stack socket the address of an IPv4 peer has the
/// form <c>::ffff:a.b.c.d</c>; an IPv4 address that is sent to is translated.
/// </remarks>
public readonly struct DatagramAddress : IEquatable<DatagramAddress>
{
    private readonly SocketAddressBytes _bytes;

    private DatagramAddress(SocketAddressBytes bytes) => _bytes = bytes;

    /// <summary>Whether this is the default value, which has no address.</summary>
    public bool IsEmpty => _bytes.Length == 0;

    /// <summary>The port; 0 if there is no address.</summary>
    public int Port => _bytes.Port;

    /// <summary>The IP address alone, 4 or 16 bytes. A mapped address has 4.</summary>
    [UnscopedRef]
    internal ReadOnlySpan<byte> IPAddress => SocketAddressBytes.GetIPAddress(_bytes.Span());

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
    /// <param name="endPoint">An IPv4 or IPv6 endpoint.</param>
    /// <returns>The address.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="endPoint"/> is <see langword="null"/>.</exception>
    public static DatagramAddress FromEndPoint(IPEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        var address = endPoint.Serialize();
        return From(address.Buffer.Span[..address.Size]);
    }

    /// <summary>Makes an endpoint of the address. Allocates.</summary>
    /// <returns>The endpoint; <see langword="null"/> if there is no address.</returns>
    public IPEndPoint? ToEndPoint() => _bytes.ToEndPoint();

    /// <inheritdoc/>
    public bool Equals(DatagramAddress other) => _bytes.Span().SequenceEqual(other._bytes.Span());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is DatagramAddress other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.AddBytes(_bytes.Span());
        return hash.ToHashCode();
    }

    /// <summary>The address and the port in the form of <see cref="IPEndPoint"/>; empty if there is none.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => ToEndPoint()?.ToString() ?? "";

    /// <summary>Another IP address of 4 or 16 bytes, with the same port. Empty if there is none.</summary>
    internal DatagramAddress WithIP(ReadOnlySpan<byte> ip)
        => ip.IsEmpty ? default : new(SocketAddressBytes.From(ip, IsEmpty ? [0, 0] : _bytes.Span().Slice(2, 2)));

    internal static DatagramAddress From(ReadOnlySpan<byte> address) => new(SocketAddressBytes.From(address));

    /// <summary>
    /// Writes the <c>sockaddr</c> for a socket of a family. An IPv6 socket takes IPv4 addresses in their mapped form
    /// only. Returns the length.
    /// </summary>
    internal int Write(Span<byte> destination, int family)
    {
        var bytes = _bytes.Span();
        if (family == Posix.AF_INET || bytes.Length != SocketAddressBytes.IPv4Size)
        {
            bytes.CopyTo(destination);
            return bytes.Length;
        }

        return SocketAddressBytes.WriteMapped(bytes, destination);
    }
}
