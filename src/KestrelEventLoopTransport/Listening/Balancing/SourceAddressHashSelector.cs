using System.Buffers.Binary;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>
/// Chooses one loop per client address. The hash is the same in every process, so the loop of a client stays the same
/// after a restart.
/// </summary>
internal sealed class SourceAddressHashSelector(LoopSelector withoutAddress) : LoopSelector
{
    internal override int Assign(in LoadBalancingContext context)
    {
        var address = context.RemoteAddress;
        if (address.IsEmpty)
        {
            return withoutAddress.Assign(context);
        }

        var index = (int)(((ulong)Hash(address) * (uint)context.LoopCount) >> 32);
        context.Loads[index].Add();
        return index;
    }

    /// <summary>
    /// Mixes all bits of the address into all of the hash: the finalizer of MurmurHash3 over each 4 bytes.
    /// </summary>
    internal static uint Hash(ReadOnlySpan<byte> address)
    {
        var hash = 0u;
        for (; address.Length >= sizeof(uint); address = address[sizeof(uint)..])
        {
            hash ^= BinaryPrimitives.ReadUInt32BigEndian(address);
            hash ^= hash >> 16;
            hash *= 0x85EBCA6B;
            hash ^= hash >> 13;
            hash *= 0xC2B2AE35;
            hash ^= hash >> 16;
        }

        return hash;
    }
}
