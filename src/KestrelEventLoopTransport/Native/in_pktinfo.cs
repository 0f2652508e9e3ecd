namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct in_pktinfo</c> of Linux (<c>ip(7)</c>). Addresses are in network order.</summary>
internal struct in_pktinfo
{
    public int ipi_ifindex;
    public uint ipi_spec_dst;
    public uint ipi_addr;
}
