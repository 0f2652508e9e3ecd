using System.Net;
using KestrelEventLoopTransport.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>Chooses the connections of a listener that are sampled.</summary>
/// <param name="period">One of so many is chosen.</param>
/// <param name="metrics">Gets what the kernel knows of them.</param>
/// <param name="endPoint">The endpoint of the listener.</param>
internal sealed class TcpInfoSampler(int period, TcpInfoMetrics metrics, EndPoint endPoint)
{
    private readonly KeyValuePair<string, object?>[] _tags = [.. ListenerRow.TagsOf(endPoint)];
    private uint _count;

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
}
