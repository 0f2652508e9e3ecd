using System.Globalization;
using System.Text;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>
/// A keep-alive connection that sends requests and receives responses as the test wants them in time.
/// </summary>
internal sealed class HttpPeer(RawClient client) : IDisposable
{
    public static async Task<HttpPeer> ConnectAsync(TestServer server) => new(await server.ConnectAsync());

    /// <summary>A connection whose handler was last seen on the thread of a loop, and so will be next time.</summary>
    public static async Task<HttpPeer> ConnectToLoopAsync(TestServer server)
    {
        var peer = await ConnectAsync(server);
        try
        {
            await Poll.UntilAsync(async () => TestApp.IsLoopThread(await peer.GetAsync(TestApp.ThreadName)));
            return peer;
        }
        catch
        {
            peer.Dispose();
            throw;
        }
    }

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
        return Encoding.ASCII.GetString(await client.ReceiveExactlyAsync(length));
    }

    /// <summary>Status line and headers, up to the empty line.</summary>
    public async Task<string> ReceiveHeadAsync()
    {
        var head = new StringBuilder();
        while (!EndsWithEmptyLine(head))
        {
            head.Append((char)(await client.ReceiveExactlyAsync(1))[0]);
        }

        return head.ToString();
    }

    public async Task<string> ReceiveTextAsync(int length)
        => Encoding.ASCII.GetString(await client.ReceiveExactlyAsync(length));

    public void Dispose() => client.Dispose();

    private static bool EndsWithEmptyLine(StringBuilder head)
        => head.Length >= 4 && head.ToString(head.Length - 4, 4) == "\r\n\r\n";
}
