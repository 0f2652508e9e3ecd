using System.CommandLine;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

internal static class GrpcCommand
{
    public const string Name = "grpc";

    public static Command Create()
    {
        var origin = new Argument<string>("origin") { Description = "Where the server is." };
        var shape = new Option<GrpcShape>("--shape") { Description = "What the calls look like." };
        var channels = new Option<int>("--channels") { Description = "Connections.", DefaultValueFactory = _ => 4 };
        var calls = new Option<int>("--calls")
        {
            Description = "Calls at once on each connection.",
            DefaultValueFactory = _ => 16,
        };
        var seconds = new Option<double>("--seconds")
        {
            Description = "Length of the window.",
            DefaultValueFactory = _ => 3,
        };
        var rate = new Option<double>("--rate")
        {
            Description = "Messages per second over all connections; 0: as many as possible.",
        };

        var command = new Command(Name, "Calls the gRPC service of a benchmark server and prints one JSON line.")
        {
            origin, shape, channels, calls, seconds, rate,
        };
        command.SetAction(async arguments =>
        {
            var client = new GrpcClient(arguments.GetValue(shape), arguments.GetValue(seconds));
            var result = await client.RunAsync(
                new Uri(arguments.GetValue(origin)!),
                arguments.GetValue(channels),
                arguments.GetValue(calls),
                arguments.GetValue(rate));
            Console.WriteLine(result.ToJsonLine());
        });
        return command;
    }
}
