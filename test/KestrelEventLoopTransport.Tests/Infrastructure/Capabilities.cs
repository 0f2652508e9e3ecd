namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>capabilities(7) of the calling thread.</summary>
internal static class Capabilities
{
    public const int Chown = 0;
    public const int DacOverride = 1;
    public const int NetBindService = 10;
    public const int NetAdmin = 12;
    public const int NetRaw = 13;

    private const uint Version3 = 0x20080522;

    /// <summary>Takes capabilities from the calling thread.</summary>
    public static unsafe void Drop(params ReadOnlySpan<int> capabilities)
    {
        var header = stackalloc uint[2] { Version3, 0 };
        var data = stackalloc uint[6];
        Assert.Equal(0, Libc.capget(header, data));
        foreach (var capability in capabilities)
        {
            data[0] &= ~(1u << capability);
        }

        Assert.Equal(0, Libc.capset(header, data));
    }
}
