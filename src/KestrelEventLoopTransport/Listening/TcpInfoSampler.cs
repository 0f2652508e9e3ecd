using System.Net;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Chooses the connections of a listener that are sampled: of those that close, and with an interval of those that are
/// open. Open ones are looked for on the thread pool; no loop waits for that, and no connection keeps anything for it.
/// </summary>
/// <param name="period">One of so many is chosen.</param>
/// <param name="metrics">Gets what the kernel knows of them.</param>
/// <param name="endPoint">The endpoint of the listener.</param>
internal sealed class TcpInfoSampler(int period, TcpInfoMetrics metrics, EndPoint endPoint) : IDisposable
{
    private readonly KeyValuePair<string, object?>[] _tags = [.. ListenerRow.TagsOf(endPoint)];
    private readonly Lock _looking = new();
    private readonly List<IPollable> _polled = [];
    private Timer? _timer;
    private uint _count;

    /// <summary>From now on, open connections are sampled after each interval, until <see cref="Dispose"/>.</summary>
    /// <param name="interval">The interval.</param>
    /// <param name="group">The loops of the connections.</param>
    /// <param name="owner">Whose connections they are.</param>
    internal void Start(TimeSpan interval, EventLoopGroup group, IConnectionOwner owner)
        => _timer = new Timer(_ => SampleOpen(group, owner), null, interval, interval);

    /// <summary>A connection is about to close its descriptor. Any thread calls.</summary>
    internal void OnClosing(StreamConnection connection)
    {
        if (!connection.IsUnix && metrics.IsEnabled
            && (Interlocked.Increment(ref _count) - 1) % (uint)period == 0
            && TcpInfo.Read(connection.Fd) is { } info)
        {
            metrics.Add(info, _tags);
        }
    }

    public void Dispose() => _timer?.Dispose();

    /// <summary>Samples some of the connections that are open now.</summary>
    internal void SampleOpen(EventLoopGroup group, IConnectionOwner owner)
    {
        // A look may take longer than the interval. The next one does not wait for it.
        if (!metrics.IsEnabled || !_looking.TryEnter())
        {
            return;
        }

        try
        {
            foreach (var loop in group.Loops)
            {
                loop.CopyPolledTo(_polled, int.MaxValue);
            }

            foreach (var polled in _polled)
            {
                // By chance: each N-th would be the same ones each time.
                if (polled is StreamConnection connection && connection.Owner == owner
                    && Random.Shared.Next(period) == 0
                    && connection.ReadTcpInfo() is { } info)
                {
                    metrics.Add(info, _tags);
                }
            }
        }
        finally
        {
            _polled.Clear();
            _looking.Exit();
        }
    }
}
