using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// What the open connections are doing, accepted and dialed, as an instrument. To ask is to look at each of them, so
/// that no operation pays for it.
/// </summary>
internal sealed class ConnectionMetrics
{
    private EventLoopGroup? _group;

    internal ConnectionMetrics(IMeterFactory meters)
        => meters.Create(LoopMetrics.MeterName).CreateObservableUpDownCounter(
            "event_loop.stalled_connections", Observe, "{connection}",
            "Connections that stand still: the application does not read what has come, or the peer does not take what"
                + " is to be sent.");

    /// <summary>Loops have started. Those before them have no connections any more.</summary>
    internal void OnLoopsStarted(EventLoopGroup group) => Volatile.Write(ref _group, group);

    private List<Measurement<long>> Observe()
    {
        var all = new List<Measurement<long>>();
        foreach (var loop in Volatile.Read(ref _group) is { } group ? group.Loops : [])
        {
            long paused = 0;
            long stalled = 0;
            foreach (var connection in loop.ListPolled().OfType<StreamConnection>())
            {
                paused += connection.IsReadingPaused ? 1 : 0;
                stalled += connection.IsSendingStalled ? 1 : 0;
            }

            var number = new KeyValuePair<string, object?>(LoopMetrics.Number, loop.Index);
            all.Add(new(paused, number, LoopMetrics.Receive));
            all.Add(new(stalled, number, LoopMetrics.Transmit));
        }

        return all;
    }
}
