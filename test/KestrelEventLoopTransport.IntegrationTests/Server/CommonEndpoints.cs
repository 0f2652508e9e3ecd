using System.Globalization;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>
/// What more than one test asks the server for. An endpoint that only one test needs stands in that test.
/// </summary>
internal static class CommonEndpoints
{
    public static void Map(WebApplication app)
    {
        app.MapGet("/plaintext", () => "Hello, World!");
        app.MapGet("/json", () => new { message = "Hello, World!" });
        app.MapGet("/connection", (HttpContext context) => context.Connection.Id);
        app.MapPost("/echo", EchoAsync);
        app.MapPost("/upload", UploadAsync);
        app.MapGet("/download", DownloadAsync);
        app.MapGet("/lines", LinesAsync);
        app.MapPost("/limited", LimitedAsync);
        app.Map("/websocket", WebSocketEchoAsync);
    }

    private static async Task EchoAsync(HttpContext context)
    {
        context.Response.ContentType = context.Request.ContentType;
        await context.Request.Body.CopyToAsync(context.Response.Body, context.RequestAborted);
    }

    /// <summary>Answers with the SHA-256 of the request body, which it never holds.</summary>
    private static async Task UploadAsync(HttpContext context)
    {
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
        var hash = await ContentHash.OfPipeAsync(context.Request.BodyReader, context.RequestAborted);
        await context.Response.WriteAsync(hash, context.RequestAborted);
    }

    private static async Task DownloadAsync(HttpContext context, long bytes)
    {
        context.Response.ContentLength = bytes;
        await new PatternStream(bytes).CopyToAsync(context.Response.Body, 64 * 1024, context.RequestAborted);
    }

    /// <summary>A response without Content-Length: lines numbered from 0, each flushed on its own.</summary>
    private static async Task LinesAsync(HttpContext context, int count)
    {
        for (var line = 0; line < count; line++)
        {
            await context.Response.WriteAsync(
                string.Create(CultureInfo.InvariantCulture, $"line {line}\n"), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    /// <summary>Accepts bodies up to 1 MiB and says so when one is larger.</summary>
    private static async Task LimitedAsync(HttpContext context)
    {
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = 1024 * 1024;
        try
        {
            var hash = await ContentHash.OfPipeAsync(context.Request.BodyReader, context.RequestAborted);
            await context.Response.WriteAsync(hash, context.RequestAborted);
        }
        catch (BadHttpRequestException exception)
        {
            context.Response.StatusCode = exception.StatusCode;
            await context.Response.WriteAsync("at most 1 MiB", context.RequestAborted);
        }
    }

    /// <summary>
    /// Sends back each message, then completes the close handshake with what the client gave as reason.
    /// </summary>
    private static async Task WebSocketEchoAsync(HttpContext context)
    {
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(), context.RequestAborted);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseOutputAsync(
                    socket.CloseStatus!.Value, $"seen: {socket.CloseStatusDescription}", context.RequestAborted);
                return;
            }

            await socket.SendAsync(
                buffer.AsMemory(0, received.Count),
                received.MessageType,
                received.EndOfMessage,
                context.RequestAborted);
        }
    }
}
