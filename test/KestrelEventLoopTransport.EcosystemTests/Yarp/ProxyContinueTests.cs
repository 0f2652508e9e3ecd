namespace KestrelEventLoopTransport.EcosystemTests.Yarp;

/// <summary><c>Expect: 100-continue</c> through YARP: the server behind it decides (RFC 9110, 10.1.1).</summary>
public sealed class ProxyContinueTests
{
    private const string Headers = "Host: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

    [Theory]
    [ClassData<EveryTransport>]
    public async Task The_client_goes_on_when_the_server_reads(TransportUnderTest transport)
    {
        await using var server = await ProxiedServer.StartAsync(transport, ClientProtocol.Http1);
        using var peer = await server.ConnectAsync();

        await peer.SendAsync("POST /echo HTTP/1.1\r\n" + Headers);
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await peer.ReceiveThroughAsync("\r\n\r\n"));
        await peer.SendAsync("hello");

        Assert.StartsWith(
            "HTTP/1.1 200 OK\r\n", await peer.ReceiveThroughAsync("\r\n\r\n"), StringComparison.Ordinal);
        await peer.ReceiveThroughAsync("hello");
    }

    [Theory]
    [ClassData<EveryTransport>]
    public async Task The_client_learns_that_the_server_refuses(TransportUnderTest transport)
    {
        await using var server = await ProxiedServer.StartAsync(transport, ClientProtocol.Http1);
        using var peer = await server.ConnectAsync();

        await peer.SendAsync("POST /refuse HTTP/1.1\r\n" + Headers);
        var head = await peer.ReceiveThroughAsync("\r\n\r\n");

        // YARP's client asks for the body if the server says nothing for a second: a slow machine's.
        if (head.StartsWith("HTTP/1.1 100 ", StringComparison.Ordinal))
        {
            await peer.SendAsync("hello");
            head = await peer.ReceiveThroughAsync("\r\n\r\n");
        }

        Assert.StartsWith("HTTP/1.1 413 ", head, StringComparison.Ordinal);
    }
}
