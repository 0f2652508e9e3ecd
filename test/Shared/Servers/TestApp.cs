using System.Text;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Testing;

/// <summary>The application of the tests: some endpoints keep their thread at a <see cref="Roadblock"/>.</summary>
internal sealed class TestApp(Roadblock roadblock)
{
    public const string Plain = "/plain";
    public const string ThreadName = "/thread";
    public const string Block = "/block";
    public const string Compute = "/compute";
    public const string Sleep = "/sleep";
    public const string FlushAndBlock = "/flush";
    public const string FirstHalf = "flushed";
    public const string SecondHalf = "released";

    public static bool IsLoopThread(string? name) => name?.StartsWith("event-loop", StringComparison.Ordinal) == true;

    public static Task<TestServer> StartAsync(
        Roadblock roadblock,
        ApplicationScheduling scheduling = ApplicationScheduling.Adaptive,
        int loops = 1,
        int? standbys = null,
        TimeSpan? threshold = null)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            App = new TestApp(roadblock).RunAsync,
            Transport = options =>
            {
                options.EventLoopCount = loops;
                options.Adaptive.MaxStandbyThreads = standbys ?? options.Adaptive.MaxStandbyThreads;
                options.Adaptive.HandOffThreshold = threshold ?? options.Adaptive.HandOffThreshold;
            },
        });

    /// <summary>A connection whose handler was last seen on the thread of a loop, and so will be next time.</summary>
    public static async Task<HttpPeer> ConnectToLoopAsync(TestServer server)
    {
        var peer = await HttpPeer.ConnectAsync(server);
        try
        {
            await Poll.UntilAsync(async () => IsLoopThread(await peer.GetAsync(ThreadName)));
            return peer;
        }
        catch
        {
            peer.Dispose();
            throw;
        }
    }

    public static Task RespondAsync(HttpContext context, string text)
    {
        var body = Encoding.ASCII.GetBytes(text);
        context.Response.ContentLength = body.Length;
        return context.Response.Body.WriteAsync(body).AsTask();
    }

    public async Task RunAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        switch (path)
        {
            case ThreadName:
                await RespondAsync(context, Thread.CurrentThread.Name ?? "none");
                break;
            case Block:
                roadblock.Block();
                await RespondAsync(context, path);
                break;
            case Compute:
                roadblock.Compute();
                await RespondAsync(context, path);
                break;
            case Sleep:
                Thread.Sleep(5);
                await RespondAsync(context, path);
                break;
            case FlushAndBlock:
                context.Response.ContentLength = FirstHalf.Length + SecondHalf.Length;
                await context.Response.Body.WriteAsync(Encoding.ASCII.GetBytes(FirstHalf));
                await context.Response.Body.FlushAsync();
                roadblock.Block();
                await context.Response.Body.WriteAsync(Encoding.ASCII.GetBytes(SecondHalf));
                break;
            default:
                await RespondAsync(context, path);
                break;
        }
    }
}
