using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Writing;

/// <summary>
/// A handler's thread in the middle of a long send, when the client ends its direction: the loop, which sees that end,
/// serves its other connections before the send is over.
/// </summary>
public sealed class HeldSendTests
{
    private const int Download = 16 * 1024 * 1024;

    [Fact]
    [FailsOnStock("It replaces the libc of our transport.")]
    public Task A_loop_does_not_wait_for_the_send_of_another_thread()
        => ChildProcess.RunAsync(
            typeof(HeldSendTests),
            nameof(Held_send_in_a_process_of_its_own),
            ("KESTREL_EVENTLOOP_POLLER", ""),
            (TestLibc.KqueueVariable, ""));

    // Ours only: it is this transport's libc that is replaced, once per process.
    [Fact(Explicit = true)]
    [FailsOnStock("It replaces the libc of our transport.")]
    public async Task Held_send_in_a_process_of_its_own()
    {
        TestLibc.Use("libheldsend.so");
        foreach (var scheduling in Enum.GetValues<ApplicationScheduling>())
        {
            await LoopGoesOnAsync(scheduling);
        }
    }

    private static async Task LoopGoesOnAsync(ApplicationScheduling scheduling)
    {
        var held = Export<Count>("held_sends");
        var release = Export<Release>("release_sends");
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static options => options.EventLoopCount = 1,
            Connection = ServeAsync,
        });
        using var bystander = await server.ConnectAsync();
        await bystander.SendAsync("e");
        await Echo.RoundTripAsync(bystander);
        using var client = await server.ConnectAsync();
        Export<Hold>("hold_sends")(1024);

        try
        {
            await client.SendAsync("d");
            await Poll.UntilAsync(() => held() == 1);
            client.ShutdownSend();
            for (var i = 0; i < 10; i++)
            {
                await Echo.RoundTripAsync(bystander);
            }

            Assert.Equal(1, held());
        }
        finally
        {
            // A thread that is held would keep the server, and the process.
            release();
        }

        var bytes = await client.ReceiveToEndAsync();
        Assert.Equal(Download, bytes.Length);
        Pattern.AssertMatches(bytes);
    }

    private static async Task ServeAsync(ConnectionContext connection)
    {
        var input = connection.Transport.Input;
        var result = await input.ReadAsync();
        var isEcho = result.Buffer.FirstSpan[0] == (byte)'e';
        input.AdvanceTo(result.Buffer.GetPosition(1));
        if (isEcho)
        {
            await Echo.RunAsync(connection);
            return;
        }

        // One reads on, another writes.
        var read = input.ReadAsync();
        await Task.Run(async () => await connection.Transport.Output.WriteAsync(Pattern.Create(Download)));
        Assert.True((await read).IsCompleted);
    }

    private static T Export<T>(string name)
        where T : Delegate
        => Marshal.GetDelegateForFunctionPointer<T>(TestLibc.GetExport(name));

    private delegate int Count();

    private delegate void Hold(nuint bytes);

    private delegate void Release();
}
