using System.CommandLine;
using System.Net;
using KestrelEventLoopTransport.Benchmarks.Server;
using Orleans.Configuration;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// The clients are on Orleans' own sockets, whatever the silo is on.
internal static class OrleansCommand
{
    public const string Name = "orleans";

    public static Command Create()
    {
        var gateway = new Argument<int>("gateway") { Description = "Port of the silo's gateway." };
        var clients = new Option<int>("--clients")
        {
            Description = "Clients, each with one connection.",
            DefaultValueFactory = _ => 16,
        };
        var calls = new Option<int>("--calls")
        {
            Description = "Calls at once of each client, each of a grain of its own.",
            DefaultValueFactory = _ => 4,
        };
        var seconds = new Option<double>("--seconds")
        {
            Description = "Length of the window.",
            DefaultValueFactory = _ => 3,
        };
        var rate = new Option<double>("--rate") { Description = "Calls per second; 0: as many as possible." };

        var command = new Command(Name, "Calls the grains of a benchmark server and prints one JSON line.")
        {
            gateway, clients, calls, seconds, rate,
        };
        command.SetAction(async arguments =>
        {
            var hosts = Enumerable.Range(0, arguments.GetValue(clients))
                .Select(_ => CreateClient(arguments.GetValue(gateway)))
                .ToList();
            await Task.WhenAll(hosts.Select(host => host.StartAsync()));
            var grains = hosts.ConvertAll(host => host.Services.GetRequiredService<IClusterClient>());
            var result = await new CallWindow(arguments.GetValue(seconds)).RunAsync(
                hosts.Count * arguments.GetValue(calls),
                arguments.GetValue(rate),
                (worker, schedule) => WorkAsync(grains[worker % grains.Count].GetGrain<IPingGrain>(worker), schedule));
            await Task.WhenAll(hosts.Select(host => host.StopAsync()));
            Console.WriteLine(result.ToJsonLine());
        });
        return command;
    }

    private static IHost CreateClient(int gateway)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.UseOrleansClient(client => client
            .UseStaticClustering(new IPEndPoint(IPAddress.Loopback, gateway))
            .Configure<ClusterOptions>(BenchmarkSilo.Name));
        return builder.Build();
    }

    private static async Task WorkAsync(IPingGrain grain, CallSchedule schedule)
    {
        const string Message = "Hello, World!";
        try
        {
            await schedule.RepeatAsync(async () =>
            {
                if (await grain.PingAsync(Message) != Message)
                {
                    throw new InvalidDataException("the answer differs from the message");
                }
            });
        }
        catch (Exception e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            schedule.Fail();
        }
    }
}
