using KestrelEventLoopTransport.Framing.Clients;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace KestrelEventLoopTransport.Framing;

// The client's task: one connection after another.
//
// One run of the resilience pipeline is a series of failures: attempts that fail, and connections that end too early.
// It ends with a connection that lasted. The next run begins at once, and its waits are short again.
// Each run and each wait ends when _stopping is cancelled. Only the task uses _outageLogged.
public sealed partial class FrameClient
{
    private readonly ResiliencePipeline<TimeSpan> _reconnecting;
    private bool _outageLogged;

    private ResiliencePipeline<TimeSpan> CreateReconnecting()
        => new ResiliencePipelineBuilder<TimeSpan> { TimeProvider = Endpoint.Time }
            .AddRetry(new RetryStrategyOptions<TimeSpan>
            {
                MaxRetryAttempts = int.MaxValue,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = _options.ReconnectDelay,
                MaxDelay = _options.MaxReconnectDelay,
                ShouldHandle = arguments => ValueTask.FromResult(
                    arguments.Outcome.Exception is not null || arguments.Outcome.Result < _options.ReconnectDelay),
                OnRetry = _ =>
                {
                    Lose();
                    return default;
                },
            })
            .Build();

    private async Task RunAsync()
    {
        var goesOn = StartHandler();
        _started.TrySetResult();
        while (goesOn && !_stopping.IsCancellationRequested)
        {
            try
            {
                await _reconnecting.ExecuteAsync(
                    static (client, stopping) => client.ConnectAndHandleAsync(stopping), this, _stopping.Token)
                    .ConfigureAwait(false);
            }
            catch (Exception) when (_stopping.IsCancellationRequested)
            {
            }
        }

        _state.End();
        Complete();
    }

    /// <returns>Whether the client goes on. If not, a stop was given up before the handler had started.</returns>
    private bool StartHandler()
    {
        if (!_handlerStart.Begin())
        {
            return false;
        }

        Call(nameof(FrameHandler.OnStarted), static client => client.Endpoint.Handler.OnStarted(client.Endpoint));
        if (_handlerStart.End())
        {
            return true;
        }

        StopHandler();
        return false;
    }

    private void StopHandler() => Call(
        nameof(FrameHandler.OnStopping), static client => client.Endpoint.Handler.OnStopping(client.Endpoint));

    /// <summary>Opens a connection and handles it. Returns how long it has lasted.</summary>
    private async ValueTask<TimeSpan> ConnectAndHandleAsync(CancellationToken stopping)
    {
        _state.Connect();
        var transport = await ConnectTransportAsync(stopping).ConfigureAwait(false);
        var opened = Endpoint.Time.GetTimestamp();
        try
        {
            await HandleAsync(transport, stopping).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // Callbacks and peers do not lead here, but the factory's connection may throw, or a logger.
            Lose();
            Log(logger => ClientLog.HandlingFailed(logger, transport.ConnectionId, RemoteEndPoint, exception));
        }

        return Endpoint.Time.GetElapsedTime(opened);
    }

    private async Task HandleAsync(ConnectionContext transport, CancellationToken stopping)
    {
        // A full fence: either this sees that a stop was given up, or Abandon sees the transport.
        Interlocked.Exchange(ref _transport, transport);
        try
        {
            await using (transport.ConfigureAwait(false))
            {
                if (_isAbandoned)
                {
                    transport.Abort(Abandoned());
                }
                else
                {
                    await RunConnectionAsync(transport, stopping).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            // Only now: the disposal may wait for a peer that does not read.
            Volatile.Write(ref _transport, null);
        }
    }

    private async Task RunConnectionAsync(ConnectionContext transport, CancellationToken stopping)
    {
        var lifetime = new ClientLifetime();
        transport.Features.Set<IConnectionLifetimeNotificationFeature>(lifetime);
        transport.Features.Set<IFramingFeature>(
            new FramingFeature(transport, _codec, _options.WriteCodec ?? _codec, _options.Reader));
        using (stopping.UnsafeRegister(static lifetime => ((ClientLifetime)lifetime!).RequestClose(), lifetime))
        {
            await new FrameConnection(transport, Endpoint).RunAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask<ConnectionContext> ConnectTransportAsync(CancellationToken stopping)
    {
        try
        {
            return await _factory.ConnectAsync(RemoteEndPoint, stopping).ConfigureAwait(false);
        }
        catch (Exception exception) when (!stopping.IsCancellationRequested)
        {
            var isFirst = !_outageLogged;
            _outageLogged = true;
            Log(logger =>
            {
                if (isFirst)
                {
                    ClientLog.ConnectFailed(logger, RemoteEndPoint, exception);
                }
                else
                {
                    ClientLog.ConnectFailedAgain(logger, RemoteEndPoint, exception);
                }
            });
            throw;
        }
    }

    private void OnOpened(FrameConnection connection)
    {
        if (_state.Open() == ClientAction.Publish)
        {
            _connection.TrySetResult(connection);
        }

        var recovers = _outageLogged;
        _outageLogged = false;
        Log(logger =>
        {
            if (recovers)
            {
                ClientLog.Recovered(logger, RemoteEndPoint, connection.ConnectionId);
            }
            else
            {
                ClientLog.Connected(logger, RemoteEndPoint, connection.ConnectionId);
            }
        });
    }

    /// <summary>There is no connection any more, or still none.</summary>
    private void Lose()
    {
        Forget();
        _state.Lose();
    }

    private void Forget()
    {
        if (_connection.Task.IsCompleted)
        {
            _connection = NewConnection();
        }
    }

    /// <summary>There will be no connection any more.</summary>
    private void Complete()
    {
        Forget();
        var connection = _connection;
        connection.TrySetException(new ConnectionAbortedException("The client was stopped."));

        // Perhaps nothing waits for it.
        _ = connection.Task.Exception;
        _stopped.TrySetResult();
    }

    private void Call(string name, Action<FrameClient> callback)
    {
        try
        {
            callback(this);
        }
        catch (Exception exception)
        {
            Log(logger => ClientLog.CallbackFailed(logger, RemoteEndPoint, name, exception));
        }
    }

    /// <summary>A logger may throw. The client goes on all the same.</summary>
    private void Log(Action<ILogger> write)
    {
        try
        {
            write(Endpoint.Logger);
        }
        catch (Exception)
        {
        }
    }
}
