using System.Globalization;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// A keep-alive connection that sends requests and receives responses as the test wants them in time.
/// </summary>
internal sealed class HttpPeer(RawClient client) : IDisposable
{
    public Socket Socket => client.Socket;

    public static async Task<HttpPeer> ConnectAsync(TestServer server) => new(await server.ConnectAsync());

    /// <summary>Sends requests for the paths, all at once.</summary>
    public Task SendAsync(params string[] paths)
        => client.SendAsync(string.Concat(paths.Select(static path => $"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")));

    public async Task<string> GetAsync(string path)
    {
        await SendAsync(path);
        return await ReceiveAsync();
    }

    /// <summary>The body of the next response, which must be a success with a Content-Length.</summary>
    public async Task<string> ReceiveAsync()
    {
        const string Length = "\r\nContent-Length: ";
        var head = await ReceiveHeadAsync();
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
        var start = head.IndexOf(Length, StringComparison.OrdinalIgnoreCase) + Length.Length;
        Assert.True(start > Length.Length, head);
        var length = int.Parse(head.AsSpan(start, head.IndexOf('\r', start) - start), CultureInfo.InvariantCulture);
        return await ReceiveTextAsync(length);
    }

    /// <summary>Status line and headers, up to the empty line.</summary>
    public Task<string> ReceiveHeadAsync() => client.ReceiveThroughAsync("\r\n\r\n");

    public Task<string> ReceiveTextAsync(int length) => client.ReceiveTextAsync(length);

    public void Dispose() => client.Dispose();
}
