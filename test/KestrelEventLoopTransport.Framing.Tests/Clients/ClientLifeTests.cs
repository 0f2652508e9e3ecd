using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using KestrelEventLoopTransport.Framing.Tests.Handling;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Tests.Clients;

/// <summary>When a client connects, waits and stops.</summary>
public sealed class ClientLifeTests
{
    private static readonly IPEndPoint _nowhere = new(IPAddress.Loopback, 1);
    private static readonly FrameCodec _codec = FrameCodec.Line(1000);
    private static readonly FrameClientOptions _patient = new()
    {
        ReconnectDelay = TimeSpan.FromHours(1),
        MaxReconnectDelay = TimeSpan.FromHours(1),
    };

    [Fact]
    public async Task Stopping_gives_up_an_attempt()
    {
        var factory = new ScriptedFactory(static async (_, cancellation) =>
        {
            await Task.Delay(Timeout.Infinite, cancellation);
            throw new InvalidOperationException();
        });
        await using var client = NewClient(factory);
        var connecting = client.ConnectAsync();
        await Poll.UntilAsync(() => factory.Attempts == 1);
        Assert.Equal(FrameClientState.Connecting, client.State);

        await client.StopAsync().DefaultTimeout();

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => connecting.DefaultTimeout());
        Assert.Equal(FrameClientState.Stopped, client.State);
        Assert.Equal(1, factory.Attempts);
    }

    [Fact]
    public async Task Stopping_gives_up_a_wait()
    {
        var factory = ScriptedFactory.Refusing();
        await using var client = NewClient(factory, _patient);
        var sending = client.SendAsync("never"u8.ToArray());
        await client.StartAsync();
        await Poll.UntilAsync(() => client.State == FrameClientState.Waiting);

        await client.StopAsync().DefaultTimeout();

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => sending.DefaultTimeout());
        Assert.Equal(1, factory.Attempts);
    }

    [Fact]
    public async Task A_connection_that_opens_while_the_client_stops_is_closed()
    {
        var opening = Recorder.NewSource<ConnectionContext>();
        var factory = new ScriptedFactory((_, _) => new(opening.Task));
        var accepting = ScriptedFactory.Accepting();
        var handler = new Recorder();
        await using var client = new FrameClient(factory, _nowhere, _codec, handler);
        var connecting = client.ConnectAsync();
        await Poll.UntilAsync(() => factory.Attempts == 1);

        var stopping = client.StopAsync();
        Assert.Equal(FrameClientState.Stopping, client.State);
        opening.SetResult(await accepting.ConnectAsync(_nowhere));

        await stopping.DefaultTimeout();
        Assert.Null(await handler.End);
        await Assert.ThrowsAsync<ConnectionAbortedException>(() => connecting);
    }

    [Fact]
    public async Task A_connection_that_opens_after_a_stop_was_given_up_is_reset_and_not_handled()
    {
        var opening = Recorder.NewSource<ConnectionContext>();
        var factory = new ScriptedFactory((_, _) => new(opening.Task));
        var isHandled = false;
        var handler = new Recorder
        {
            Connected = _ =>
            {
                isHandled = true;
                return default;
            },
        };
        await using var client = new FrameClient(factory, _nowhere, _codec, handler);
        await client.StartAsync();
        await Poll.UntilAsync(() => factory.Attempts == 1);

        await client.StopAsync(new CancellationToken(true)).DefaultTimeout();
        var transport = await ScriptedFactory.Accepting().ConnectAsync(_nowhere);
        opening.SetResult(transport);

        await Poll.UntilAsync(() => client.State == FrameClientState.Stopped);
        Assert.False(isHandled);
        await Poll.UntilAsync(() => transport.ConnectionClosed.IsCancellationRequested);
    }

    [Fact]
    public async Task A_stop_that_is_given_up_resets_a_connection_that_is_being_disposed()
    {
        var accepting = ScriptedFactory.Accepting();
        var transport = new LingeringConnection((await accepting.ConnectAsync(_nowhere)).Transport);
        var factory = new ScriptedFactory((_, _) => new(transport));
        await using var client = NewClient(factory, _patient);
        await client.ConnectAsync().DefaultTimeout();
        accepting.EndLast();
        await transport.Disposing.DefaultTimeout();
        Assert.Empty(client.Endpoint.Connections);

        await client.StopAsync(new CancellationToken(true)).DefaultTimeout();

        await transport.Aborted.DefaultTimeout();
        await Poll.UntilAsync(() => client.State == FrameClientState.Stopped);
    }

    [Fact]
    public async Task A_client_runs_once_and_may_be_stopped_and_disposed_at_any_time()
    {
        var client = NewClient(ScriptedFactory.Accepting());
        await client.StartAsync();
        await client.StartAsync();
        await client.ConnectAsync().DefaultTimeout();
        await Task.WhenAll(client.StopAsync(), client.StopAsync(), client.DisposeAsync().AsTask()).DefaultTimeout();
        await client.DisposeAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => client.StartAsync());

        var neverStarted = NewClient(ScriptedFactory.Accepting());
        var sending = neverStarted.SendAsync("never"u8.ToArray());
        await neverStarted.DisposeAsync().DefaultTimeout();
        await Assert.ThrowsAsync<ConnectionAbortedException>(() => sending.DefaultTimeout());
        Assert.Equal(FrameClientState.Stopped, neverStarted.State);
    }

    [Fact]
    public async Task A_handler_has_been_started_before_it_is_stopped()
    {
        using var release = new ManualResetEventSlim();
        var handler = new SlowStarter(release);
        await using var client = new FrameClient(ScriptedFactory.Accepting(), _nowhere, _codec, handler);
        await client.StartAsync();
        await handler.Starting.DefaultTimeout();

        var stopping = client.StopAsync();
        release.Set();
        await stopping.DefaultTimeout();

        Assert.Equal(["started", "stopping"], handler.Calls);
    }

    [Fact]
    public async Task A_handler_that_is_being_started_when_a_stop_is_given_up_is_stopped_afterwards()
    {
        using var release = new ManualResetEventSlim();
        var handler = new SlowStarter(release);
        var factory = ScriptedFactory.Accepting();
        await using var client = new FrameClient(factory, _nowhere, _codec, handler);
        await client.StartAsync();
        await handler.Starting.DefaultTimeout();

        await client.StopAsync(new CancellationToken(true)).DefaultTimeout();
        Assert.Empty(handler.Calls);
        release.Set();

        await Poll.UntilAsync(() => client.State == FrameClientState.Stopped);
        Assert.Equal(["started", "stopping"], handler.Calls);
        Assert.Equal(0, factory.Attempts);
    }

    [Fact]
    public async Task A_handler_is_not_started_after_a_stop_was_given_up()
    {
        using var release = new ManualResetEventSlim(initialState: true);

        // Whether the client's task begins before it is stopped is left to chance.
        for (var i = 0; i < 1000; i++)
        {
            var handler = new SlowStarter(release);
            var client = new FrameClient(ScriptedFactory.Refusing(), _nowhere, _codec, handler);
            await client.StartAsync();
            await client.StopAsync(new CancellationToken(true)).DefaultTimeout();
            await client.DisposeAsync().DefaultTimeout();
            for (var n = 0; n < 100 && client.State != FrameClientState.Stopped; n++)
            {
                await Task.Yield();
            }

            await Poll.UntilAsync(() => client.State == FrameClientState.Stopped);
            Assert.True(handler.Calls.ToArray() is [] or ["started", "stopping"], string.Join(", ", handler.Calls));
        }
    }

    [Fact]
    public async Task A_token_ends_the_wait_for_a_connection_and_leaves_the_client_alone()
    {
        await using var client = NewClient(ScriptedFactory.Refusing(), _patient);
        using var cancellation = new CancellationTokenSource();
        var connecting = client.ConnectAsync(cancellation.Token);
        var sending = client.SendAsync("never"u8.ToArray(), cancellation.Token);
        await Poll.UntilAsync(() => client.State == FrameClientState.Waiting);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        Assert.Equal(FrameClientState.Waiting, client.State);
    }

    [Fact]
    public async Task A_stop_that_is_given_up_does_not_wait_for_a_callback_nor_does_the_disposal()
    {
        var release = Recorder.NewSource<bool>();
        var handler = new Recorder { Connected = _ => new(release.Task) };
        var client = new FrameClient(ScriptedFactory.Accepting(), _nowhere, _codec, handler);
        await client.StartAsync();
        var connection = await handler.Connection;
        using var cancellation = new CancellationTokenSource();
        var stopping = client.StopAsync(cancellation.Token);
        Assert.False(stopping.IsCompleted);

        await cancellation.CancelAsync();
        await stopping.DefaultTimeout();
        await client.DisposeAsync().DefaultTimeout();

        Assert.True(connection.ConnectionClosed.IsCancellationRequested || connection.IsClosing);
        release.SetResult(true);
        Assert.IsType<ConnectionAbortedException>(await handler.End);
        await Poll.UntilAsync(() => client.State == FrameClientState.Stopped);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_callback_of_the_request_to_close_does_not_hold_up_a_stop(bool throws)
    {
        using var roadblock = new Roadblock();
        var handler = new Recorder
        {
            Connected = connection =>
            {
                connection.Features.Get<IConnectionLifetimeNotificationFeature>()!
                    .ConnectionClosedRequested.Register(() =>
                    {
                        roadblock.Block();
                        throw new InvalidOperationException("on purpose");
                    });
                return default;
            },
        };
        var client = new FrameClient(ScriptedFactory.Accepting(), _nowhere, _codec, handler);
        await client.ConnectAsync().DefaultTimeout();
        using var cancellation = new CancellationTokenSource();
        var stopping = client.StopAsync(cancellation.Token);
        await roadblock.UntilArrivedAsync(1);

        if (throws)
        {
            roadblock.Open();
        }
        else
        {
            await cancellation.CancelAsync();
        }

        await stopping.DefaultTimeout();
        roadblock.Open();
        await Poll.UntilAsync(() => client.State == FrameClientState.Stopped);
        await client.DisposeAsync().DefaultTimeout();
    }

    [Fact]
    public async Task A_connection_that_ends_at_once_is_followed_by_a_wait_and_one_that_has_lasted_is_not()
    {
        var time = new ManualTime();
        await using var services = new ServiceCollection().AddSingleton<TimeProvider>(time).BuildServiceProvider();
        var factory = ScriptedFactory.Accepting();
        await using var client = new FrameClient(factory, _nowhere, _codec, new Recorder(), _patient, services);
        await client.ConnectAsync().DefaultTimeout();

        factory.EndLast();
        await Poll.UntilAsync(() => client.State == FrameClientState.Waiting);
        Assert.Equal(1, factory.Attempts);
        await Poll.UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromMinutes(20));
            return client.State == FrameClientState.Connected;
        });
        time.Advance(TimeSpan.FromHours(1));
        factory.EndLast();

        await Poll.UntilAsync(() => factory.Attempts == 3 && client.State == FrameClientState.Connected);
    }

    [Fact]
    public async Task Waits_grow_to_the_longest_and_never_cease()
    {
        var time = new ManualTime();
        await using var services = new ServiceCollection().AddSingleton<TimeProvider>(time).BuildServiceProvider();
        var attempts = new ConcurrentQueue<long>();
        var factory = new ScriptedFactory((_, _) =>
        {
            attempts.Enqueue(time.GetTimestamp());
            throw new IOException("Refused.");
        });
        await using var client = NewClient(
            factory, new FrameClientOptions { MaxReconnectDelay = TimeSpan.FromSeconds(10) }, services);
        await client.StartAsync();

        // The time stands still while there is no wait.
        await Poll.UntilAsync(() =>
        {
            while (time.TimersDue > 0 && attempts.Count <= 100)
            {
                time.Advance(TimeSpan.FromSeconds(1));
            }

            return attempts.Count > 100;
        });
        var waits = attempts.Zip(attempts.Skip(1), (before, after)
            => (int)Math.Ceiling(time.GetElapsedTime(before, after).TotalSeconds)).ToList();

        // A wait that begins after the time has moved counts as up to a second more.
        Assert.InRange(waits[0], 1, 5);
        Assert.All(waits, static wait => Assert.InRange(wait, 1, 60));
        Assert.All(waits.Skip(20), static wait => Assert.InRange(wait, 10, 60));
    }

    [Fact]
    public async Task An_outage_is_logged_once_and_so_is_its_end()
    {
        var logs = new CapturedLogs(static entry => entry.Level > LogLevel.Debug);
        await using var services = new ServiceCollection()
            .AddLogging(logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(logs))
            .BuildServiceProvider();
        var accepting = ScriptedFactory.Accepting();
        var factory = new ScriptedFactory((attempt, cancellation) => attempt < 5
            ? throw new IOException("Refused.")
            : accepting.ConnectAsync(_nowhere, cancellation));
        await using var client = NewClient(
            factory, new FrameClientOptions { ReconnectDelay = TimeSpan.FromMilliseconds(1) }, services);

        await client.ConnectAsync().DefaultTimeout();

        await Poll.UntilAsync(() => logs.Entries.Count == 2);
        Assert.Equal(["ConnectFailed", "Recovered"], logs.Entries.Select(static entry => entry.EventId.Name));
    }

    [Fact]
    public async Task A_connection_that_cannot_be_handled_is_logged_and_the_client_goes_on()
    {
        var logs = new CapturedLogs(static entry => entry.Level > LogLevel.Debug);
        await using var services = new ServiceCollection()
            .AddLogging(logging => logging.AddProvider(logs))
            .BuildServiceProvider();
        var accepting = ScriptedFactory.Accepting();
        var factory = new ScriptedFactory((attempt, cancellation) => attempt == 1
            ? new(new DefaultConnectionContext("without a transport"))
            : accepting.ConnectAsync(_nowhere, cancellation));
        await using var client = NewClient(
            factory, new FrameClientOptions { ReconnectDelay = TimeSpan.FromMilliseconds(1) }, services);

        await client.ConnectAsync().DefaultTimeout();

        Assert.Equal("HandlingFailed", Assert.Single(logs.Entries).EventId.Name);
    }

    [Fact]
    public async Task A_connection_can_be_asked_to_close_also_when_it_has_ended()
    {
        ConnectionContext? transport = null;
        var accepting = ScriptedFactory.Accepting();
        var factory = new ScriptedFactory(async (_, cancellation)
            => transport = await accepting.ConnectAsync(_nowhere, cancellation));
        await using var client = NewClient(factory, _patient);
        await client.ConnectAsync().DefaultTimeout();
        var lifetime = transport!.Features.Get<IConnectionLifetimeNotificationFeature>()!;

        lifetime.RequestClose();
        await Poll.UntilAsync(() => client.State == FrameClientState.Waiting);
        await client.StopAsync().DefaultTimeout();

        lifetime.RequestClose();
    }

    [Fact]
    public async Task A_handler_and_a_logger_that_throw_do_not_end_the_client()
    {
        await using var services = new ServiceCollection()
            .AddLogging(static logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(
                new FailingLogs(static () => true)))
            .BuildServiceProvider();
        var accepting = ScriptedFactory.Accepting();
        var factory = new ScriptedFactory((attempt, cancellation) => attempt == 1
            ? throw new IOException("Refused.")
            : accepting.ConnectAsync(_nowhere, cancellation));
        await using var client = new FrameClient(
            factory,
            _nowhere,
            _codec,
            new ThrowingHandler(),
            new FrameClientOptions { ReconnectDelay = TimeSpan.FromMilliseconds(1) },
            services);

        await client.ConnectAsync().DefaultTimeout();
        await client.StopAsync().DefaultTimeout();
    }

    [Theory]
    [InlineData("connected")]
    [InlineData("frame")]
    [InlineData("tick")]
    [InlineData("wake")]
    [InlineData("wake after a frame")]
    [InlineData("disconnected")]
    public async Task A_callback_and_a_logger_that_throw_end_the_connection(string callback)
    {
        await using var services = new ServiceCollection()
            .AddLogging(static logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(
                new FailingLogs(static () => true)))
            .BuildServiceProvider();
        var handler = new Recorder
        {
            Connected = _ => FailIn("connected"),
            Frame = (connection, _) =>
            {
                // The turn is the reading loop's, so the loop runs the wake.
                connection.Wake();
                return FailIn("frame");
            },
            Tick = _ => FailIn("tick"),
            Woken = _ => callback.StartsWith("wake", StringComparison.Ordinal) ? FailIn(callback) : default,
            Disconnected = (_, _) => FailIn("disconnected"),
        };
        var options = new FrameClientOptions
        {
            ReconnectDelay = _patient.ReconnectDelay,
            MaxReconnectDelay = _patient.MaxReconnectDelay,
            Handler = new FrameHandlerOptions
            {
                TickInterval = callback == "tick" ? TimeSpan.FromMilliseconds(1) : null,
            },
        };
        var factory = ScriptedFactory.Accepting();
        var client = new FrameClient(factory, _nowhere, _codec, handler, options, services);
        await client.StartAsync();
        var connection = await handler.Connection;

        switch (callback)
        {
            case "frame" or "wake after a frame":
                await factory.Peers[0].Output.WriteAsync("frame\n"u8.ToArray());
                break;
            case "wake":
                connection.Wake();
                break;
            case "disconnected":
                factory.EndLast();
                break;
        }

        var end = await handler.End;
        Assert.Equal(callback == "disconnected" ? null : callback, end?.Message);
        Assert.Equal(0, client.Endpoint.ConnectionCount);
        await client.StopAsync().DefaultTimeout();
        Assert.Throws<ObjectDisposedException>(() => connection.Services);
        Assert.Empty(handler.Violations);
        await client.DisposeAsync().DefaultTimeout();

        ValueTask FailIn(string where)
            => where == callback ? ValueTask.FromException(new InvalidOperationException(where)) : default;
    }

    [Fact]
    public async Task A_registered_client_starts_and_stops_with_the_host_and_its_handler_is_disposed_once()
    {
        var accepting = ScriptedFactory.Accepting();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<IConnectionFactory>(accepting);
        builder.Services.AddKeyedSingleton<IConnectionFactory>("other", ScriptedFactory.Refusing());
        builder.Services.AddFrameClient<DisposableHandler>(_nowhere, _codec);
        builder.Services.AddKeyedFrameClient<DisposableHandler>("other", _nowhere, _codec, _patient);
        builder.Services.AddKeyedFrameClient<DisposableHandler>("third", _nowhere, _codec);
        var host = builder.Build();
        await host.StartAsync().DefaultTimeout();
        var client = host.Services.GetRequiredService<FrameClient>();
        var other = host.Services.GetRequiredKeyedService<FrameClient>("other");
        var third = host.Services.GetRequiredKeyedService<FrameClient>("third");
        await client.ConnectAsync().DefaultTimeout();
        await third.ConnectAsync().DefaultTimeout();
        await Poll.UntilAsync(() => other.State == FrameClientState.Waiting);
        var handler = Assert.IsType<DisposableHandler>(client.Endpoint.Handler);

        await host.StopAsync().DefaultTimeout();
        Assert.Equal(FrameClientState.Stopped, client.State);
        Assert.Equal(0, handler.Disposals);
        host.Dispose();

        Assert.Equal(1, handler.Disposals);
        Assert.Equal(2, accepting.Attempts);
    }

    [Fact]
    public void A_registered_client_without_a_connection_factory_says_what_to_register()
    {
        using var services = new ServiceCollection()
            .AddFrameClient<DisposableHandler>(_nowhere, _codec)
            .BuildServiceProvider();

        var exception = Assert.Throws<InvalidOperationException>(() => services.GetRequiredService<FrameClient>());

        Assert.Contains("AddEventLoopClient", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Delays_out_of_range_are_refused()
    {
        foreach (var delay in new[] { TimeSpan.Zero, TimeSpan.FromSeconds(-1), TimeSpan.FromDays(1.1) })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => new FrameClientOptions { ReconnectDelay = delay });
            Assert.Throws<ArgumentOutOfRangeException>(() => new FrameClientOptions { MaxReconnectDelay = delay });
        }
    }

    private static FrameClient NewClient(
        IConnectionFactory factory, FrameClientOptions? options = null, IServiceProvider? services = null)
        => new(factory, _nowhere, _codec, new Recorder(), options, services);

    private sealed class ThrowingHandler : FrameHandler
    {
        protected internal override void OnStarted(FrameEndpoint endpoint) => throw new InvalidOperationException();

        protected internal override void OnStopping(FrameEndpoint endpoint) => throw new InvalidOperationException();

        protected internal override ValueTask OnFrameAsync(
            FrameConnection connection, System.Buffers.ReadOnlySequence<byte> frame)
            => default;
    }

    private sealed class SlowStarter(ManualResetEventSlim release) : FrameHandler
    {
        private readonly TaskCompletionSource _starting = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Starting => _starting.Task;

        public ConcurrentQueue<string> Calls { get; } = [];

        protected internal override void OnStarted(FrameEndpoint endpoint)
        {
            _starting.SetResult();
            release.Wait();
            Calls.Enqueue("started");
        }

        protected internal override void OnStopping(FrameEndpoint endpoint) => Calls.Enqueue("stopping");

        protected internal override ValueTask OnFrameAsync(
            FrameConnection connection, System.Buffers.ReadOnlySequence<byte> frame)
            => default;
    }

    /// <summary>Its disposal waits for the peer until it is aborted, as if bytes were unsent.</summary>
    private sealed class LingeringConnection : DefaultConnectionContext
    {
        private readonly TaskCompletionSource _disposing = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public LingeringConnection(IDuplexPipe transport)
            : base("lingering")
            => Transport = transport;

        public Task Disposing => _disposing.Task;

        public Task Aborted => _aborted.Task;

        public override void Abort(ConnectionAbortedException abortReason) => _aborted.TrySetResult();

        public override async ValueTask DisposeAsync()
        {
            _disposing.TrySetResult();
            await _aborted.Task;
            await base.DisposeAsync();
        }
    }

    private sealed class DisposableHandler : FrameHandler, IDisposable
    {
        public int Disposals { get; private set; }

        public void Dispose() => Disposals++;

        protected internal override ValueTask OnFrameAsync(
            FrameConnection connection, System.Buffers.ReadOnlySequence<byte> frame)
            => default;
    }
}
