using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Framing.Codecs;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// An endpoint of a <see cref="FrameHandler"/>, with its open connections. All of its members may be used from any
/// thread, inside and outside the handler's callbacks.
/// </summary>
public sealed class FrameEndpoint
{
    private readonly ConcurrentDictionary<FrameConnection, byte> _connections = new();

    // A loop may end before the endpoint, and its clock with it.
    private readonly ConditionalWeakTable<TimeProvider, FrameTimers> _timers = [];
    private int _count;

    internal FrameEndpoint(
        FrameHandler handler,
        FrameHandlerOptions options,
        IServiceProvider services,
        ILogger logger,
        TimeProvider time)
    {
        Handler = handler;
        Options = options;
        Services = services;
        Logger = logger;
        Time = time;
    }

    /// <summary>
    /// Number of open connections. A connection counts from just before <see cref="FrameHandler.OnConnectedAsync"/>
    /// until just before <see cref="FrameHandler.OnDisconnectedAsync"/>.
    /// </summary>
    public int ConnectionCount => Volatile.Read(ref _count);

    /// <summary>
    /// The open connections, in no particular order. They may be enumerated while connections open and close: whether
    /// such a connection is included is not defined.
    /// </summary>
    public IEnumerable<FrameConnection> Connections
    {
        get
        {
            foreach (var (connection, _) in _connections)
            {
                yield return connection;
            }
        }
    }

    internal FrameHandler Handler { get; }

    internal FrameHandlerOptions Options { get; }

    internal IServiceProvider Services { get; }

    internal ILogger Logger { get; }

    internal TimeProvider Time { get; }

    /// <summary>Called when <see cref="FrameHandler.OnConnectedAsync"/> has succeeded.</summary>
    internal Action<FrameConnection>? Opened { get; init; }

    /// <summary>Called just before <see cref="FrameHandler.OnDisconnectedAsync"/>, for every connection.</summary>
    internal Action<FrameConnection>? Closed { get; init; }

    /// <summary>
    /// Sends a frame to all open connections, as <see cref="FrameConnection.TrySend"/> does to one. The frame is
    /// encoded once for all connections with the same codec. A connection whose peer reads too slowly or that is
    /// closing does not get it. To handle these, use <see cref="Connections"/> and
    /// <see cref="FrameConnection.TrySendEncoded"/>.
    /// </summary>
    /// <param name="frame">The frame as a reader gets it, without prefix or delimiter. It is copied.</param>
    /// <returns>Number of connections that took the frame.</returns>
    /// <exception cref="ArgumentException">
    /// A reader with the same codec would not get the same frame back.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// A connection's codec only reads, see <see cref="FrameCodec.LengthField"/>.
    /// </exception>
    public int Broadcast(ReadOnlySpan<byte> frame)
    {
        var count = 0;
        FrameCodec? codec = null;
        var buffer = EncodeBuffer.Rent();
        try
        {
            foreach (var (connection, _) in _connections)
            {
                if (connection.WriteCodec != codec)
                {
                    codec = connection.WriteCodec;
                    buffer.Clear();
                    codec.EncodeTo(buffer, new FramePayload(frame, default));
                }

                var result = connection.TrySendEncodedBy(codec, buffer.Written) ?? connection.TrySend(frame);
                count += result is SendResult.Accepted ? 1 : 0;
            }
        }
        finally
        {
            buffer.Return();
        }

        return count;
    }

    /// <summary>
    /// The timers of a connection: those of its event loop if the transport has such, and if the application has not
    /// registered a clock of its own; else those of the endpoint.
    /// </summary>
    internal FrameTimers TimersOf(ConnectionContext connection)
    {
        var clock = ReferenceEquals(Time, TimeProvider.System) ? connection.Features.Get<TimeProvider>() ?? Time : Time;
        return _timers.GetValue(clock, static clock => new FrameTimers(clock));
    }

    internal void Add(FrameConnection connection)
    {
        if (_connections.TryAdd(connection, 0))
        {
            Interlocked.Increment(ref _count);
        }
    }

    internal void Remove(FrameConnection connection)
    {
        if (_connections.TryRemove(connection, out _))
        {
            Interlocked.Decrement(ref _count);
        }

        Closed?.Invoke(connection);
    }
}
