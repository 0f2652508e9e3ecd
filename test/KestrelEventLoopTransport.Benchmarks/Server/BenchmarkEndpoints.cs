using System.Buffers;
using System.Globalization;
using System.Net.WebSockets;
using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Server;

// The application under load: one terminal middleware without routing, so that as little as possible of what is
// measured is the framework above the transport.
internal static class BenchmarkEndpoints
{
    public const int LargeBodySize = 64 * 1024;

    private static readonly byte[] _largeBody = new byte[LargeBodySize];
    private static int _mixed;

    public static Task HandleAsync(HttpContext context) => context.Request.Path.Value switch
    {
        "/plaintext" or "/proxy/plaintext" => Plaintext(context.Response),
        "/json" => context.Response.WriteAsJsonAsync(
            new Greeting("Hello, World!"),
            GreetingJsonContext.Default.Greeting),
        "/sleep" => SleepThenPlaintext(context.Response, BlockLoad.SleepMilliseconds),
        "/mixed" => Interlocked.Increment(ref _mixed) % 100 == 0
            ? SleepThenPlaintext(context.Response, 20)
            : Plaintext(context.Response),
        "/await" => AwaitThenPlaintextAsync(context.Response),
        "/64k" or "/proxy/64k" => LargeAsync(context.Response),
        "/upload" => UploadAsync(context),
        "/download" => DownloadAsync(context),
        "/gc" => context.Response.WriteAsync(CollectGarbage().ToString(CultureInfo.InvariantCulture)),
        _ => NotFound(context.Response),
    };

    // A handler that blocks its thread, as handlers should not and do.
    private static Task SleepThenPlaintext(HttpResponse response, int milliseconds)
    {
        Thread.Sleep(milliseconds);
        return Plaintext(response);
    }

    // A handler that awaits what ends elsewhere, as an answer of a database does.
    private static async Task AwaitThenPlaintextAsync(HttpResponse response)
    {
        await Task.Delay(10);
        await Plaintext(response);
    }

    private static Task Plaintext(HttpResponse response)
    {
        var body = "Hello, World!"u8;
        response.ContentType = "text/plain";
        response.ContentLength = body.Length;
        response.BodyWriter.Write(body);
        return Task.CompletedTask;
    }

    private static async Task LargeAsync(HttpResponse response)
    {
        response.ContentType = "application/octet-stream";
        response.ContentLength = LargeBodySize;
        await response.BodyWriter.WriteAsync(_largeBody);
    }

    private static async Task UploadAsync(HttpContext context)
    {
        var body = context.Request.BodyReader;
        var count = 0L;
        while (true)
        {
            var read = await body.ReadAsync();
            count += read.Buffer.Length;
            body.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                break;
            }
        }

        var text = count.ToString(CultureInfo.InvariantCulture);
        context.Response.ContentLength = text.Length;
        await context.Response.WriteAsync(text);
    }

    private static async Task DownloadAsync(HttpContext context)
    {
        if (!long.TryParse(context.Request.Query["bytes"], CultureInfo.InvariantCulture, out var left) || left < 0)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = left;

        // Pieces of 64 KiB, as static files are sent.
        while (left > 0)
        {
            var piece = (int)Math.Min(left, _largeBody.Length);
            await context.Response.BodyWriter.WriteAsync(_largeBody.AsMemory(0, piece), context.RequestAborted);
            left -= piece;
        }
    }

    public static async Task EchoWebSocketAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var received = await socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
                if (received.MessageType == WebSocketMessageType.Close)
                {
                    await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
                    return;
                }

                await socket.SendAsync(
                    buffer.AsMemory(0, received.Count),
                    received.MessageType,
                    received.EndOfMessage,
                    CancellationToken.None);
            }
        }
        catch (WebSocketException)
        {
            // The load generator ends its connections without a closing handshake.
        }
    }

    private static long CollectGarbage()
    {
        // Twice: what the finalizers of the first collection let go is freed by the second.
        for (var i = 0; i < 2; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return GC.GetTotalMemory(forceFullCollection: false);
    }

    private static Task NotFound(HttpResponse response)
    {
        response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }
}
