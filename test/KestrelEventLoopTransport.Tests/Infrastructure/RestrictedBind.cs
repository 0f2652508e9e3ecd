using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// A bind on a thread that has given up something for good. Threads that it starts have no more than it, and among them
/// may be one of the pool's: such a test runs in a process of its own.
/// </summary>
internal static class RestrictedBind
{
    /// <summary>Expects that the bind fails.</summary>
    /// <param name="restrict">What the thread gives up.</param>
    /// <param name="configure">The transport's options.</param>
    /// <param name="endPoint">What is bound. By default 127.0.0.1 with any port.</param>
    public static async Task<SocketException> FailAsync(
        Action restrict, Action<EventLoopTransportOptions>? configure = null, EndPoint? endPoint = null)
    {
        await using var transport = new TestTransport(ApplicationScheduling.ThreadPool, configure);
        Exception? exception = null;
        var thread = new Thread(() =>
        {
            restrict();
            exception = Record.Exception(() => transport.Factory
                .BindAsync(endPoint ?? new IPEndPoint(IPAddress.Loopback, 0)).AsTask().GetAwaiter().GetResult());
        });
        thread.Start();
        Assert.True(thread.Join(TaskTimeoutExtensions.Default));
        return Assert.IsType<SocketException>(exception, exactMatch: false);
    }
}
