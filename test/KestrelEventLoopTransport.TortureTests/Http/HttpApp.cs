using System.Globalization;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>The application: sends a stream's bytes, or back what was posted.</summary>
internal sealed class HttpApp(Episode episode)
{
    public async Task RunAsync(HttpContext context)
    {
        episode.OnProgress();
        var stream = int.Parse(context.Request.Query["stream"]!, CultureInfo.InvariantCulture);
        var length = int.Parse(context.Request.Query["length"]!, CultureInfo.InvariantCulture);
        var random = new Random(stream);
        try
        {
            await Pace.PauseAsync(random, episode.Plan.Blocks);
            context.Response.ContentLength = length;
            if (HttpMethods.IsPost(context.Request.Method))
            {
                await EchoAsync(context, random, stream, length);
            }
            else
            {
                await GenerateAsync(context, random, stream, length);
            }
        }
        catch (Exception exception)
            when (exception is IOException or OperationCanceledException or ConnectionAbortedException)
        {
            // The client will say whether that was to be.
            context.Abort();
        }
        catch (BadHttpRequestException)
        {
            context.Abort();
        }
    }

    private async Task GenerateAsync(HttpContext context, Random random, int stream, int length)
    {
        for (var position = 0; position < length;)
        {
            var n = Math.Min(Pace.ChunkSize(random), length - position);
            await context.Response.Body.WriteAsync(Pattern.Create(n, stream, position));
            position += n;
            if (random.Next(3) == 0)
            {
                await context.Response.Body.FlushAsync();
            }

            episode.OnProgress();
            await Pace.PauseAsync(random, episode.Plan.Blocks);
        }
    }

    private async Task EchoAsync(HttpContext context, Random random, int stream, int length)
    {
        var buffer = new byte[10_000];
        for (var position = 0; position < length;)
        {
            var n = await context.Request.Body.ReadAsync(buffer.AsMemory(0, random.Next(1, buffer.Length)));
            if (n == 0)
            {
                episode.Fail($"A request body ended after {position} of {length} bytes.");
                return;
            }

            if (Pattern.FirstMismatch(buffer.AsSpan(0, n), stream, position) >= 0)
            {
                episode.Fail($"The server read a wrong byte after {position} of stream {stream}.");
            }

            position += n;
            await context.Response.Body.WriteAsync(buffer.AsMemory(0, n));
            episode.OnProgress();
            await Pace.PauseAsync(random, episode.Plan.Blocks);
        }
    }
}
