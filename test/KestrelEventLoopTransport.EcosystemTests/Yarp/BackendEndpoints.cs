using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.EcosystemTests.Yarp;

/// <summary>What the server behind the proxy serves.</summary>
internal static class BackendEndpoints
{
    public static void Map(WebApplication app, BackendEvents events)
    {
        app.UseWebSockets();
        app.MapGet("/hello", static () => "Hello");
        app.MapPost("/upload", UploadAsync);
        app.MapGet("/download", DownloadAsync);
        app.MapPost("/echo", static (HttpContext http) => http.Request.Body.CopyToAsync(http.Response.Body));
        app.MapPost("/refuse", static () => Results.StatusCode(StatusCodes.Status413PayloadTooLarge));
        app.MapGet("/trailers", TrailersAsync);
        app.MapGet("/abort-head", static (HttpContext http) => http.Abort());
        app.MapGet("/abort-body", AbortBodyAsync);
        app.MapGet("/wait", (HttpContext http) => WaitAsync(http, events));
        app.MapPost("/wait-body", (HttpContext http) => WaitForBodyAsync(http, events));
        app.MapGet("/endless", (HttpContext http) => DownloadForeverAsync(http, events));
        app.Map("/websocket", (HttpContext http) => EchoMessagesAsync(http, events));
        app.Map("/websocket-abort", AbortWebSocketAsync);
    }

    /// <summary>Answers with the hash of the body.</summary>
    private static async Task UploadAsync(HttpContext http)
    {
        var hash = await ContentHash.OfPipeAsync(http.Request.BodyReader, http.RequestAborted);
        await http.Response.WriteAsync(hash);
    }

    private static async Task DownloadAsync(HttpContext http, long bytes)
    {
        http.Response.ContentLength = bytes;
        await new PatternStream(bytes).CopyToAsync(http.Response.Body, 64 * 1024);
    }

    private static async Task TrailersAsync(HttpContext http)
    {
        http.Response.DeclareTrailer("X-After");
        await http.Response.WriteAsync("body");
        http.Response.AppendTrailer("X-After", "all");
    }

    private static async Task AbortBodyAsync(HttpContext http)
    {
        http.Response.ContentLength = 100;
        await http.Response.WriteAsync("begun");
        await http.Response.Body.FlushAsync();
        http.Abort();
    }

    private static async Task WaitAsync(HttpContext http, BackendEvents events)
    {
        using var registration = http.RequestAborted.Register(events.Aborted.SetResult);
        events.Waits.SetResult();
        await events.Aborted.Task;
    }

    private static async Task WaitForBodyAsync(HttpContext http, BackendEvents events)
    {
        using var registration = http.RequestAborted.Register(() => events.Aborted.TrySetResult());
        await http.Request.Body.ReadExactlyAsync(new byte[1]);
        events.Waits.SetResult();
        try
        {
            await http.Request.Body.CopyToAsync(Stream.Null);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            events.Aborted.TrySetResult();
        }
    }

    private static async Task DownloadForeverAsync(HttpContext http, BackendEvents events)
    {
        while (!http.RequestAborted.IsCancellationRequested)
        {
            await http.Response.Body.WriteAsync(new byte[32 * 1024]);
        }

        events.Aborted.SetResult();
    }

    private static async Task AbortWebSocketAsync(HttpContext http)
    {
        using var socket = await http.WebSockets.AcceptWebSocketAsync();
        await socket.ReceiveAsync(new byte[16], http.RequestAborted);
        http.Abort();
    }

    private static async Task EchoMessagesAsync(HttpContext http, BackendEvents events)
    {
        using var socket = await http.WebSockets.AcceptWebSocketAsync();
        try
        {
            await EchoAsync(socket, http.RequestAborted);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException)
        {
            events.Aborted.SetResult();
        }
    }

    private static async Task EchoAsync(WebSocket socket, CancellationToken aborted)
    {
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(), aborted);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseOutputAsync(socket.CloseStatus!.Value, "seen", aborted);
                return;
            }

            await socket.SendAsync(
                buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, aborted);
        }
    }
}
