using System.IO.Pipelines;
using System.Net;
using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Ending;

[Trait("Contract", "21")]
public sealed class AbortTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Abort_without_a_reason_sends_FIN(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        pair.Connection.Abort(null!);

        await pair.Client.ExpectFinAsync();
    }

    // An exception that several threads throw has the stack trace of the last one.
    [Theory]
    [FailsOnStock("It keeps one exception and throws it from each read.")]
    [ClassData<EveryScheduling>]
    public async Task After_an_abort_without_a_reason_each_read_throws_an_exception_of_its_own(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        pair.Connection.Abort(null!);

        Task<ReadResult> ReadAsync() => pair.Input.ReadAsync().DefaultTimeout();
        var first = await Assert.ThrowsAsync<ConnectionAbortedException>(ReadAsync);
        var second = await Assert.ThrowsAsync<ConnectionAbortedException>(ReadAsync);
        Assert.NotSame(first, second);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Abort_with_a_reason_sends_RST(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        pair.Connection.Abort(new ConnectionAbortedException("because"));

        await pair.Client.ExpectResetAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Abort_with_a_reason_sends_RST_also_with_output_unsent_and_a_read_pending(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        var (_, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        pair.Connection.Abort(new ConnectionAbortedException("because"));

        await pair.Client.ExpectResetAsync();
        await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout());
        Assert.True((await flush.DefaultTimeout()).IsCompleted);
    }

    // The reader holds some bytes, the kernel others.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Abort_with_a_reason_sends_RST_also_with_input_unconsumed(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync(Pattern.Create(1000));
        var result = await pair.Input.ReadAsync().DefaultTimeout();
        pair.Input.AdvanceTo(result.Buffer.GetPosition(1));
        await pair.Client.SendAsync(Pattern.Create(1000));

        pair.Connection.Abort(new ConnectionAbortedException("because"));

        await pair.Client.ExpectResetAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_parameterless_Abort_has_a_reason(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        pair.Connection.Abort();

        await pair.Client.ExpectResetAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_first_reason_wins(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var first = new ConnectionAbortedException("first");

        pair.Connection.Abort(first);
        pair.Connection.Abort(new ConnectionAbortedException("second"));

        Assert.Same(
            first, await Assert.ThrowsAsync<ConnectionAbortedException>(() => pair.Input.ReadAsync().DefaultTimeout()));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Concurrent_aborts_agree_on_one_reason(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        for (var i = 0; i < 20; i++)
        {
            await using var pair = await transport.ConnectAsync();
            var read = pair.Input.ReadAsync().AsTask();
            var reasons = Enumerable.Range(0, 4).Select(static n => new ConnectionAbortedException($"{n}")).ToArray();

            await Task.WhenAll(reasons.Select(reason => Task.Run(() => pair.Connection.Abort(reason))))
                .DefaultTimeout();

            var thrown = await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout());
            Assert.Contains(thrown, reasons);
            Assert.Same(
                thrown,
                await Assert.ThrowsAsync<ConnectionAbortedException>(() => pair.Input.ReadAsync().DefaultTimeout()));
            await pair.Client.ExpectResetAsync();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Abort_after_the_end_of_the_connection_is_harmless(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Connection.DisposeAsync().DefaultTimeout();
        await pair.Client.ExpectFinAsync();

        // Its descriptor may be another connection's by now.
        await using var other = await transport.ConnectAsync();
        pair.Connection.Abort(new ConnectionAbortedException("late"));
        pair.Connection.Abort(null!);

        var echo = Echo.RunAsync(other.Connection);
        await Echo.RoundTripAsync(other.Client);
        other.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task HttpContext_Abort_sends_RST(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartHttpAsync(scheduling, static http =>
        {
            http.Abort();
            return Task.CompletedTask;
        });
        using var client = await server.ConnectAsync();

        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");

        await client.ExpectResetAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task HttpContext_Abort_in_the_middle_of_a_body_sends_RST(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartHttpAsync(scheduling, static async http =>
        {
            await http.Request.Body.ReadExactlyAsync(new byte[500]);
            http.Abort();
        });
        using var client = await server.ConnectAsync();

        await client.SendAsync("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
        await client.SendAsync(Pattern.Create(1000));

        await client.ExpectResetAsync();
    }

    [Fact]
    public Task FinOnError_turns_the_RST_into_a_FIN()
        => ChildProcess.RunAsync(typeof(AbortTests), nameof(FinOnError_in_a_process_of_its_own));

    // The switch is read once per process.
    [Theory(Explicit = true)]
    [ClassData<EveryScheduling>]
    public async Task FinOnError_in_a_process_of_its_own(ApplicationScheduling scheduling)
    {
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.FinOnError", true);
        Assert.True(new EndpointOptions().FinOnError);
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        var reason = new ConnectionAbortedException("because");

        pair.Connection.Abort(reason);

        await pair.Client.ExpectFinAsync();
        Assert.Same(reason, await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout()));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock("FinOnError of one endpoint is an option of ours.")]
    public async Task FinOnError_of_one_endpoint_turns_its_RST_into_a_FIN(ApplicationScheduling scheduling)
    {
        var other = new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0);
        await using var transport = new TestTransport(
            scheduling,
            options => options.ConfigureEndpoint(other, static endPoint => endPoint.FinOnError = true));
        await using var fin = await transport.ConnectAsync(await transport.BindAsync(other));
        await using var reset = await transport.ConnectAsync();

        fin.Connection.Abort(new ConnectionAbortedException("because"));
        reset.Connection.Abort(new ConnectionAbortedException("because"));

        await fin.Client.ExpectFinAsync();
        await reset.Client.ExpectResetAsync();
    }
}
