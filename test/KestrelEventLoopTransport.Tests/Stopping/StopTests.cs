using System.Net.Sockets;
using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Tests.Stopping;

[Trait("Contract", "24")]
public sealed class StopTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Unbind_leaves_live_connections_alone_and_refuses_new_ones(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        await using var pair = await transport.ConnectAsync(listener);
        var echo = Echo.RunAsync(pair.Connection);
        await Echo.RoundTripAsync(pair.Client);

        await listener.UnbindAsync().DefaultTimeout();

        await Echo.RoundTripAsync(pair.Client, 200_000);
        var refused = await Assert.ThrowsAnyAsync<SocketException>(() => RawClient.ConnectAsync(listener.EndPoint));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        pair.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Stop_ends_idle_keep_alive_connections_by_FIN(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartHttpAsync(
            scheduling, static http => http.Response.WriteAsync("hello"));
        var clients = new List<RawClient>();
        for (var i = 0; i < 10; i++)
        {
            var client = await server.ConnectAsync();
            await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            while (!System.Text.Encoding.ASCII.GetString(await client.ReceiveExactlyAsync(1)).EndsWith('5'))
            {
                // Up to the length of the chunk; the rest is left for ReceiveToEndAsync.
            }

            clients.Add(client);
        }

        await server.StopAsync(TaskTimeoutExtensions.Default);

        foreach (var client in clients)
        {
            Assert.EndsWith(
                "hello\r\n0\r\n\r\n", System.Text.Encoding.ASCII.GetString(await client.ReceiveToEndAsync()));
            client.Dispose();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Stop_lets_a_request_in_progress_finish(ApplicationScheduling scheduling)
    {
        var started = Signal.New();
        var finish = Signal.New();
        await using var server = await TestServer.StartHttpAsync(scheduling, async http =>
        {
            started.SetResult();
            await finish.Task;
            await http.Response.WriteAsync("finished");
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        await started.Task.DefaultTimeout();

        var stop = server.StopAsync(TaskTimeoutExtensions.Default);
        finish.SetResult();

        Assert.EndsWith(
            "finished\r\n0\r\n\r\n", System.Text.Encoding.ASCII.GetString(await client.ReceiveToEndAsync()));
        await stop.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Stop_aborts_what_does_not_end_in_time(ApplicationScheduling scheduling)
    {
        var aborted = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
        {
            try
            {
                await connection.Transport.Input.ReadAsync();
            }
            catch (Exception exception)
            {
                aborted.SetResult(exception);
            }
        });
        using var client = await server.ConnectAsync();
        await Poll.UntilAsync(() => server.Logs.Entries.Any(static e => e.EventId.Name == "ConnectionStart"));

        await server.StopAsync();

        Assert.IsType<ConnectionAbortedException>(await aborted.Task.DefaultTimeout());
        await client.ExpectResetAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Stop_while_connections_stream_in_both_directions(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        var running = 0;
        var connected = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => server.ConnectAsync()));
        var clients = connected.Select(connected => Task.Run(async () =>
        {
            using var client = connected;
            try
            {
                while (true)
                {
                    await Echo.RoundTripAsync(client, 30_000);
                    Interlocked.Increment(ref running);
                }
            }
            catch (Exception exception) when (exception is SocketException or Xunit.Sdk.XunitException)
            {
                // Ended by the stop, between two messages or inside one.
            }
        })).ToArray();
        await Poll.UntilAsync(() => Volatile.Read(ref running) > 50);

        await server.StopAsync();

        await Task.WhenAll(clients).DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Stop_while_flushes_wait_for_peers_that_do_not_read(ApplicationScheduling scheduling)
    {
        var pending = 0;
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
        {
            var (_, flush) = await BackPressureTests.WriteUntilPendingAsync(connection.Transport.Output, 64 * 1024);
            Interlocked.Increment(ref pending);
            await flush;
        });
        var clients = new List<RawClient>();
        for (var i = 0; i < 4; i++)
        {
            clients.Add(await server.ConnectAsync());
        }

        await Poll.UntilAsync(() => Volatile.Read(ref pending) == clients.Count);

        await server.StopAsync();

        clients.ForEach(static client => client.Dispose());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Stop_does_not_wait_for_a_handler_that_is_stuck_and_its_end_after_the_stop_is_clean(
        ApplicationScheduling scheduling)
    {
        var stuck = Signal.New();
        var release = Signal.New();
        var ended = Signal.New();
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
        {
            await connection.Transport.Input.ReadAsync();
            connection.Transport.Output.GetMemory(100);
            connection.Transport.Output.Advance(100);
            stuck.SetResult();
            await release.Task;
            try
            {
                await connection.Transport.Output.FlushAsync();
                await connection.DisposeAsync();
            }
            finally
            {
                ended.SetResult();
            }
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync(Pattern.Create(10));
        await stuck.Task.DefaultTimeout();

        await server.StopAsync();

        release.SetResult();
        await ended.Task.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_outlives_its_listener(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        await using var pair = await transport.ConnectAsync(listener);
        await listener.UnbindAsync().DefaultTimeout();
        await listener.DisposeAsync().DefaultTimeout();

        // Kestrel disposes listeners after it gave up on connections: what is left must still end.
        pair.Connection.Abort(new ConnectionAbortedException("late"));
        await pair.Connection.DisposeAsync().DefaultTimeout();

        await pair.Client.ExpectResetAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Two_listeners_stop_one_after_the_other(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var first = await transport.BindAsync();
        var second = await transport.BindAsync();
        await using var onFirst = await transport.ConnectAsync(first);
        await using var onSecond = await transport.ConnectAsync(second);

        await first.UnbindAsync().DefaultTimeout();
        await onFirst.Connection.DisposeAsync().DefaultTimeout();
        await first.DisposeAsync().DefaultTimeout();

        var echo = Echo.RunAsync(onSecond.Connection);
        await Echo.RoundTripAsync(onSecond.Client);
        await using var another = await transport.ConnectAsync(second);
        onSecond.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }
}
