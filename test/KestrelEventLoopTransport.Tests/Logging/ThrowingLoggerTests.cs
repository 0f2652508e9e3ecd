using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Logging;

/// <summary>
/// Each line that the transport logs of a connection, with a provider that throws: nothing stays half done.
/// </summary>
[Trait("Contract", "23")]
public sealed class ThrowingLoggerTests
{
    public static TheoryData<ApplicationScheduling, string> Endings
    {
        get
        {
            var data = new TheoryData<ApplicationScheduling, string>();
            foreach (var scheduling in EveryScheduling.Values)
            {
                string[] endings = ["fin", "reset", "reset while sending", "abort", "abort without reason", "dispose"];
                foreach (var ending in endings)
                {
                    data.Add(scheduling, ending);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Endings))]
    public async Task A_connection_ends_in_order(ApplicationScheduling scheduling, string ending)
    {
        await using var transport = new TestTransport(new TestSettings
        {
            Scheduling = scheduling,
            Services = static services => services.AddSingleton<ILoggerProvider>(new FailingLogs(static () => true)),
        });
        var (connection, client) = await transport.ConnectAsync();
        var closed = new TaskCompletionSource();
        connection.ConnectionClosed.Register(closed.SetResult);
        await Echo.RoundTripAsync(client, connection);

        switch (ending)
        {
            case "fin":
                client.ShutdownSend();
                Assert.True((await connection.Transport.Input.ReadAsync().DefaultTimeout()).IsCompleted);
                break;
            case "reset":
                client.Reset();
                await Assert.ThrowsAsync<ConnectionResetException>(
                    () => connection.Transport.Input.ReadAsync().DefaultTimeout());
                break;
            case "reset while sending":
                var sending = Task.Run(async () =>
                {
                    while (!(await connection.Transport.Output.WriteAsync(new byte[10_000])).IsCompleted)
                    {
                        // Until it waits, which is logged, and then fails.
                    }
                });
                await client.ReceiveExactlyAsync(50_000);
                client.Reset();
                await sending.DefaultTimeout();
                break;
            case "abort":
                connection.Abort(new ConnectionAbortedException("test"));
                break;
            case "abort without reason":
                connection.Abort(null!);
                break;
            default:
                break;
        }

        await connection.DisposeAsync().DefaultTimeout();
        await closed.Task.DefaultTimeout();
    }
}
