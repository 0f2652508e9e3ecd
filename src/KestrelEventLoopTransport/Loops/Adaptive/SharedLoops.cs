using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// The loops that listeners and clients of one container share. They start with the first that needs them and end with
/// the last reference; then the next that needs loops starts new ones.
/// </summary>
internal sealed class SharedLoops
{
    private readonly Lock _lock = new();
    private readonly EventLoopTransportOptions _options;
    private readonly IMemoryPoolFactory<byte> _memoryPools;
    private readonly ILoggerFactory _loggerFactory;
    private readonly LoopMetrics _metrics;
    private readonly HandOffLog _log;
    private readonly Action<EventLoopGroup> _onStarted;
    private EventLoopGroup? _group;

    /// <param name="options">The options of the loops.</param>
    /// <param name="memoryPools">Creates one memory pool for each loop.</param>
    /// <param name="meterFactory">Creates the meter.</param>
    /// <param name="loggerFactory">Creates the loggers.</param>
    /// <param name="onStarted">Is told of each group that starts, by one thread at a time.</param>
    internal SharedLoops(
        EventLoopTransportOptions options,
        IMemoryPoolFactory<byte> memoryPools,
        IMeterFactory meterFactory,
        ILoggerFactory loggerFactory,
        Action<EventLoopGroup> onStarted)
    {
        _options = options;
        _memoryPools = memoryPools;
        _loggerFactory = loggerFactory;
        _metrics = new LoopMetrics(meterFactory);
        _log = new HandOffLog(SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Loops"));
        _onStarted = onStarted;
    }

    /// <summary>What the supervisor counts.</summary>
    internal LoopMetrics Metrics => _metrics;

    /// <summary>The loops. The caller gets a reference and has to release it.</summary>
    /// <exception cref="InsufficientMemoryException">The system does not allow as many threads.</exception>
    internal EventLoopGroup Acquire()
    {
        lock (_lock)
        {
            if (_group is null || !_group.TryAddReference())
            {
                _group = SupervisedLoops.Start(_options, _memoryPools, _metrics, _log, _loggerFactory);
                _onStarted(_group);
            }

            return _group;
        }
    }
}
