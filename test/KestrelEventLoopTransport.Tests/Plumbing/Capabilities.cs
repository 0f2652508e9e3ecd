namespace KestrelEventLoopTransport.Tests;

/// <summary>capabilities(7) of the calling thread.</summary>
internal static class Capabilities
{
    private const uint Version3 = 0x20080522;
    private const int NetBindService = 10;

    /// <summary>Root may bind any port; after this the calling thread may not.</summary>
    public static unsafe void DropBindService()
    {
        var header = stackalloc uint[2] { Version3, 0 };
        var data = stackalloc uint[6];
        Assert.Equal(0, Libc.capget(header, data));
        data[0] &= ~(1u << NetBindService);
        Assert.Equal(0, Libc.capset(header, data));
    }
}
