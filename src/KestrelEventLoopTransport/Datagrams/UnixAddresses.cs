namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// The addresses of Unix peers that have sent lately, so that a datagram of a known one costs no object. One thread at
/// a time uses it.
/// </summary>
internal sealed class UnixAddresses
{
    // Peers beyond that cost an object for each datagram, and the memory is bounded.
    private const int Capacity = 256;

    private readonly DatagramAddress[] _addresses = new DatagramAddress[Capacity];

    /// <param name="address">What the kernel has written; empty for a socket that is not bound.</param>
    internal DatagramAddress Get(ReadOnlySpan<byte> address)
    {
        var hash = default(HashCode);
        hash.AddBytes(address);
        ref var known = ref _addresses[(uint)hash.ToHashCode() % Capacity];
        if (!known.IsUnixAddress(address))
        {
            known = DatagramAddress.From(address);
        }

        return known;
    }
}
