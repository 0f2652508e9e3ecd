using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Datagrams in asynchronous code, in a host without a server.</summary>
public sealed class DatagramReceiverTests
{
    [Fact]
    public async Task Asynchronous_code_receives_answers_and_ends_with_the_host()
    {
        DatagramReceiver? receiver = null;
        var ended = false;
        using var host = Build(async (own, stopping) =>
        {
            receiver = own;
            await foreach (var datagram in own.ReceiveAllAsync(CancellationToken.None))
            {
                await own.ReplyAsync(datagram.Payload, datagram, stopping);
            }

            ended = true;
        });
        await host.StartAsync().DefaultTimeout();
        await Poll.UntilAsync(() => receiver is not null);
        using var client = DatagramServer.Connect(receiver!.Endpoint.EndPoint);
        DatagramServer.RoundTrip(client, []);
        DatagramServer.RoundTrip(client, Pattern.Create(1000));

        await host.StopAsync().DefaultTimeout();

        Assert.True(ended);
        await Assert.ThrowsAsync<ChannelClosedException>(() => receiver.ReceiveAsync().AsTask());
    }

    [Fact]
    public async Task What_is_not_received_in_time_is_dropped_and_counted()
    {
        DatagramReceiver? receiver = null;
        using var host = Build(async (own, stopping) =>
        {
            receiver = own;
            await Task.Delay(Timeout.Infinite, stopping);
        });
        await host.StartAsync().DefaultTimeout();
        await Poll.UntilAsync(() => receiver is not null);
        using var client = DatagramServer.Connect(receiver!.Endpoint.EndPoint);

        await Poll.UntilAsync(() =>
        {
            for (var i = 0; i < 100; i++)
            {
                client.Send([1]);
            }

            return receiver.Dropped > 0;
        });

        await host.StopAsync().DefaultTimeout();
    }

    [Fact]
    public async Task A_failure_of_the_code_is_logged_and_does_not_stop_the_host()
    {
        var logs = new CapturedLogs(null);
        using var host = Build(static (_, _) => throw new InvalidOperationException("planned"), logs);
        await host.StartAsync().DefaultTimeout();
        await Poll.UntilAsync(
            () => logs.Entries.Any(static entry => entry.EventId.Name == "DatagramReceiverFailed"));

        await host.StopAsync().DefaultTimeout();
    }

    private static IHost Build(Func<DatagramReceiver, CancellationToken, Task> run, CapturedLogs? logs = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        if (logs is not null)
        {
            builder.Logging.AddProvider(logs);
        }

        builder.Services.AddDatagramReceiver("udp://127.0.0.1:0", run);
        return builder.Build();
    }
}
